"""Domain cleaning: one form of cell after the other, as they arrive in real lists."""

from __future__ import annotations

import re

import polars as pl
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from openmart_lib.intake.domains import SCHEMA, DomainCode, clean_domains, psl_date
from openmart_lib.intake.reasons import REASONS
from openmart_lib.intake.rules import (
    BETWEEN,
    EMAIL,
    FORMULA,
    HIDDEN,
    INNER_BLANKS,
    INTERNATIONAL,
    LABEL,
    LINK,
    MARKUP,
    REPEATED,
    SUBDOMAIN,
    TIDIED,
    WIDE,
    WWW,
)

ORACLE = PublicSuffixList(only_icann=True, accept_unknown=False)


def clean(cell: str | None, **options: bool) -> dict[str, str | None]:
    return clean_domains(pl.Series([cell], dtype=pl.String), **options).row(0, named=True)


@pytest.mark.parametrize(
    ("cell", "domain", "rule"),
    [
        ("acme.com", "acme.com", None),
        ("  Acme.COM ", "acme.com", TIDIED),
        ("• acme.com", "acme.com", TIDIED),
        ("12. acme.com", "acme.com", LABEL),
        ("3) acme.com", "acme.com", LABEL),
        ("[x] acme.com", "acme.com", LABEL),
        ("HTTPS://WWW.Acme.com/about?x#y", "acme.com", LINK),
        ("http:acme.com", "acme.com", LINK),
        ("http//acme.com", "acme.com", LINK),
        ("//acme.com", "acme.com", LINK),
        ("hxxps://acme.com", "acme.com", LINK),
        ("https://https://acme.com", "acme.com", LINK),
        ("https://user:secret@acme.com/x", "acme.com", LINK),
        ("acme.com:8080/path", "acme.com", LINK),
        ("https://acme.com/page,1.html?a=b;c=d", "acme.com", LINK),
        ("jane@acme.com", "acme.com", EMAIL),
        ("mailto:info@acme.com", "acme.com", EMAIL),
        ("Jane Doe <jane@acme.com>", "acme.com", EMAIL),
        ("@acme.com", "acme.com", TIDIED),
        ("acme.com.", "acme.com", TIDIED),
        ("acme.com;", "acme.com", TIDIED),
        ('"acme.com"', "acme.com", TIDIED),
        ("<acme.com>", "acme.com", TIDIED),
        ("(acme.com)", "acme.com", TIDIED),
        ("'acme.com", "acme.com", TIDIED),
        ("acme .com", "acme.com", INNER_BLANKS),
        ("acme\u00a0.com", "acme.com", INNER_BLANKS),
        ("ac\u200bme.com\ufeff", "acme.com", HIDDEN),
        ("ａｃｍｅ．ｃｏｍ", "acme.com", WIDE),
        ("acme。com", "acme.com", WIDE),
        ("web: acme.com", "acme.com", LABEL),
        ("- acme.com", "acme.com", LABEL),
        ("[Acme](https://acme.com/x)", "acme.com", MARKUP + BETWEEN + LINK),
        ('=HYPERLINK("http://acme.com/x","Acme")', "acme.com", FORMULA + BETWEEN + LINK),
        ('=LIEN_HYPERTEXTE("http://acme.fr";"Acme")', "acme.fr", FORMULA + BETWEEN + LINK),
        ("acme.com, www.acme.com", "acme.com", REPEATED),
        ("shop.acme.co.uk", "acme.co.uk", SUBDOMAIN),
        ("my_shop.acme.com", "acme.com", SUBDOMAIN),
        ("bücher.de", "xn--bcher-kva.de", INTERNATIONAL),
        ("BÜCHER.DE", "xn--bcher-kva.de", INTERNATIONAL),
        ("xn--bcher-kva.de", "xn--bcher-kva.de", None),
        ("straße.de", "xn--strae-oqa.de", INTERNATIONAL),
        ("яндекс.рф", "xn--d1acpjx3f.xn--p1ai", INTERNATIONAL),
        ("wordpress.com", "wordpress.com", None),
        ("www.acme.com", "acme.com", WWW),
        ("mail.bücher.de/x", "xn--bcher-kva.de", f"{LINK}; {INTERNATIONAL}; {SUBDOMAIN}"),
        ("jane@mail.acme.com", "acme.com", f"{EMAIL}; {SUBDOMAIN}"),
        ("www.ck", "www.ck", None),
        ("github.com", "github.com", None),
        ("shop.acme.uk.com", "acme.uk.com", SUBDOMAIN),
    ],
)
def test_a_cell_becomes_a_bare_registrable_domain_and_the_rule_is_named(cell, domain, rule):
    cleaned = clean(cell)

    assert (cleaned["domain"], cleaned["rule"], cleaned["code"]) == (domain, rule, None)
    assert cleaned["reason"] is None


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("24/7", "company_name"),
        ("http://3232235777/", "ip"),
        (None, "blank"),
        ("", "blank"),
        (" \t\u00a0", "blank"),
        *((cell, "placeholder") for cell in ("N/A", "-", "--", "none", "NULL", "#N/A", "TBD", "0", "x", "?", "n.a.")),
        *((cell, "free_mail") for cell in ("gmail.com", "jane@GMAIL.com", "t-online.de", "qq.com", "www.gmx.net")),
        ("x@mailinator.com", "disposable"),
        *((cell, "social") for cell in ("facebook.com/acme", "https://linktr.ee/acme", "yelp.co.uk/biz/acme")),
        *((cell, "social") for cell in ("maps.google.com", "google.com/maps/place/acme", "github.com/acme")),
        *((cell, "social") for cell in ("apps.apple.com/us/app/acme/id1", "web.archive.org/web/2020/http://acme.com")),
        *((cell, "social") for cell in ("clutch.co/profile/acme", "https://www.bbb.org/us/acme", "share.google/x")),
        *((cell, "hosted") for cell in ("acme.slack.com", "boards.greenhouse.io/acme", "acme.canva.site")),
        *((cell, "hosted") for cell in ("acme.myshopify.com", "myshopify.com", "acme.github.io", "acme.wordpress.com")),
        *((cell, "hosted") for cell in ("sites.google.com/view/acme", "acme.wixsite.com/home")),
        *((cell, "ip") for cell in ("192.168.0.1", "http://10.0.0.1:8080/x", "http://[::1]/", "0x7f.1")),
        *((cell, "internal") for cell in ("localhost", "http://intranet/", "mail.acme.local", "example.com", "a.test")),
        *((cell, "unknown_ending") for cell in ("acme.con", "st.gallen", "acme.notatld")),
        *((cell, "suffix_only") for cell in ("com", ".com", "co.uk", "公司.cn", "uk.com", "www.co.uk")),
        *((cell, "company_name") for cell in ("Acme", "Acme Inc.", "Mr. Coffee", "Amazon.com Inc", "Müller & Söhne")),
        *((cell, "multiple") for cell in ("a.com; b.com", "acme.com / beta.com", "acme.com|beta.com", "acme.com\nbeta.com")),
        *((cell, "lookalike") for cell in ("аррӏе.com", "gооgle.com", "xn--80ak6aa92e.com")),
        *((cell, "excel") for cell in ("1-Mar", "Mrz-24", "1.23E+11", "2024-03-01 00:00:00", "#REF!", "44621", "01.03.2024")),
        *((cell, "invalid") for cell in ("my_shop.com", "-acme.com", "acme..com", "acme,com", "xn--.com", "http://a%b.com/")),
        ("a" * 64 + ".com", "invalid"),
        ("a." * 130 + "com", "invalid"),
    ],
)  # fmt: skip
def test_what_is_no_companys_domain_is_rejected_with_its_reason(cell, code):
    cleaned = clean(cell)

    assert (cleaned["code"], cleaned["domain"], cleaned["rule"]) == (code, None, None)
    assert cleaned["reason"] and cleaned["reason"].endswith(".")
    assert not re.search(r"[{}]", cleaned["reason"])


@pytest.mark.parametrize(
    ("cell", "suggestion"),
    [
        ("acme,com", "acme.com"),
        ("www,acme,com", "acme.com"),
        ("acme,inc", None),
        ("acme.con", "acme.com"),
        ("shop.acme.couk", "shop.acme.co.uk"),
        ("gmial.com", "gmail.com"),
        ("Amazon.com Inc", "amazon.com"),
        ("jane@gmail.com; acme.com", "acme.com"),
        ("Acme", None),
    ],
)
def test_a_guess_is_offered_beside_the_rejection_and_never_applied(cell, suggestion):
    cleaned = clean(cell)

    assert cleaned["domain"] is None and cleaned["code"] is not None
    assert cleaned["suggestion"] == suggestion


@pytest.mark.parametrize(
    "cell",
    [
        "https://www.linkedin.com/company/Acme/?trk=1",
        "linkedin.com/company/acme",
        "https://de.linkedin.com/company/acme/",
        '=HYPERLINK("https://linkedin.com/company/acme","Acme")',
    ],
)
def test_a_linkedin_link_is_no_website_and_is_kept_in_one_spelling(cell):
    cleaned = clean(cell)

    assert cleaned["code"] == "social"
    assert cleaned["linkedin_url"] == "https://www.linkedin.com/company/acme"


def test_demo_domains_pass_only_where_they_are_allowed():
    assert clean("https://www.roastery.example/x")["code"] == "internal"
    assert clean("https://www.roastery.example/x", allow_example=True)["domain"] == "roastery.example"
    assert clean("example", allow_example=True)["domain"] is None
    assert clean("example.com", allow_example=True)["code"] == "internal"


def test_the_reason_names_the_host_but_never_the_person_of_an_address():
    cleaned = clean("jane.doe@gmail.com")

    assert "gmail.com" in cleaned["reason"] and "jane" not in cleaned["reason"]


def test_rows_keep_their_order_and_number_and_repeated_cells_get_the_same_verdict():
    cells = pl.Series(["acme.com", None, "n/a", "ACME.com", "acme.com", None])

    cleaned = clean_domains(cells)

    assert cleaned.schema == pl.Schema(SCHEMA)
    assert cleaned["raw"].to_list() == cells.to_list()
    assert cleaned["domain"].to_list() == ["acme.com", None, None, "acme.com", "acme.com", None]
    assert cleaned["code"].to_list() == [None, "blank", "placeholder", None, None, "blank"]


def test_no_cells_give_no_rows_with_the_same_columns():
    assert clean_domains(pl.Series([], dtype=pl.String)).schema == pl.Schema(SCHEMA)


def test_international_names_are_shown_as_people_read_them():
    cleaned = clean("xn--bcher-kva.de")

    assert cleaned["domain_unicode"] == "bücher.de"


def test_every_code_has_a_sentence_for_the_analyst():
    assert set(REASONS) == set(DomainCode)


def test_the_suffix_list_in_use_is_a_recent_one():
    assert psl_date() >= "2026-01-01"


@examples(10)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=30))
def test_any_text_is_judged_and_an_accepted_domain_is_registrable_by_the_oracle(texts):
    for cleaned in clean_domains(pl.Series(texts)).to_dicts():
        assert (cleaned["domain"] is None) == (cleaned["code"] is not None) == (cleaned["reason"] is not None)
        if cleaned["domain"] is not None:
            assert ORACLE.privatesuffix(cleaned["domain"]) == cleaned["domain"]


HOSTS = st.lists(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), min_size=1, max_size=3).map(".".join)
ENDINGS = st.sampled_from(
    ["com", "de", "co.uk", "com.au", "ck", "www.ck", "kobe.jp", "city.kobe.jp", "io", "nonsense"]
)
WRAPPINGS = st.sampled_from(
    ["{}", " {} ", "https://{}/x?y#z", "http://{}:80", "jane@{}", '"{}"', "{}.", "@{}"]
)


@examples(10)
@given(st.lists(st.tuples(HOSTS, ENDINGS, WRAPPINGS), min_size=1, max_size=30))
def test_whatever_surrounds_a_host_the_domain_is_the_oracles(cases):
    names = [f"{host}.{ending}" for host, ending, _ in cases]
    cells = [wrapping.format(name) for name, (_, _, wrapping) in zip(names, cases, strict=True)]

    cleaned = clean_domains(pl.Series(cells)).to_dicts()

    for name, verdict in zip(names, cleaned, strict=True):
        if verdict["code"] is None:
            assert verdict["domain"] == ORACLE.privatesuffix(name)
        elif verdict["code"] in ("unknown_ending", "suffix_only"):
            assert ORACLE.privatesuffix(name) is None

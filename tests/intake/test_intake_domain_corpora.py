"""Domain cleaning against cases that nobody here wrote: suffix list, URL, IDNA, mailbox and naughty strings."""

from __future__ import annotations

import json

import polars as pl
import pytest
from intake_corpora import needs_testdata, read_jsonl, read_text
from publicsuffixlist import PublicSuffixList

from openmart_lib.intake.domains import clean_domains
from openmart_lib.intake.suffixes import registrable

pytestmark = needs_testdata

# Our codes in the classes of the expectation files.
CLASSES = {
    "blank": {"blank", "not_a_domain"},
    "suffix_only": {"suffix_only"},
    "unknown_ending": {"unknown_tld"},
    "company_name": {"not_a_domain", "unknown_tld"},
    "invalid": {"not_a_domain"},
    "internal": {"internal", "unknown_tld"},
    "ip": {"ip"},
    "placeholder": {"not_a_domain", "suffix_only"},
    "multiple": {"not_a_domain"},
    "excel": {"not_a_domain"},
    "lookalike": {"homograph", "not_a_domain"},
    "social": {"not_a_domain"},
}
# Deliberately rejected although the suffix tests accept them: names set aside for documents.
RESERVED = {"example.com", "example.org", "example.net"}


def verdicts(cells: list[str | None]) -> list[dict[str, str | None]]:
    return clean_domains(pl.Series(cells, dtype=pl.String)).to_dicts()


def is_utf8(text: str) -> bool:
    """Half a surrogate pair cannot stand in a file."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def is_accepted(case: dict[str, object], verdict: dict[str, str | None]) -> bool:
    accept = case["accept"]
    assert isinstance(accept, list)
    if verdict["domain"] is not None:
        return verdict["domain"] in accept
    if set(accept) & RESERVED:
        return verdict["code"] in ("internal", "invalid", "company_name")
    return bool({f"reject:{name}" for name in CLASSES.get(verdict["code"] or "", set())} & set(accept))


def test_the_public_suffix_lists_own_tests_hold():
    cases = read_jsonl("domains/test_psl.expected.jsonl")

    wrong = [
        (case, verdict["domain"] or verdict["code"])
        for case, verdict in zip(cases, verdicts([case["input"] for case in cases]), strict=True)
        if not is_accepted(case, verdict)
    ]

    assert len(cases) == 78 and wrong == []


def test_pasted_urls_give_their_host_or_a_rejection():
    cases = [case for case in read_jsonl("domains/wpt_urls.expected.jsonl") if "accept" in case]

    wrong = [
        (case["input"], case["accept"], verdict["domain"] or verdict["code"])
        for case, verdict in zip(cases, verdicts([case["input"] for case in cases]), strict=True)
        if not is_accepted(case, verdict)
    ]

    assert len(cases) > 100 and wrong == []


def test_broken_urls_never_give_a_domain_that_is_not_in_the_text():
    cases = [case["input"] for case in read_jsonl("domains/wpt_urls.expected.jsonl") if "must" in case]

    invented = [
        (cell, verdict["domain"])
        for cell, verdict in zip(cases, verdicts(cases), strict=True)
        if verdict["domain"]
        and verdict["domain_unicode"] not in cell.lower()
        and verdict["domain"] not in cell.lower()
    ]

    assert len(cases) > 200 and invented == []


def test_international_names_follow_the_unicode_consortiums_tests():
    """Accepted ones equal ``to_ascii``'s registrable part; what is an error there is never accepted here."""
    oracle = PublicSuffixList(only_icann=True, accept_unknown=False)
    cases = [case for case in read_jsonl("domains/idna_v2.expected.jsonl.gz") if is_utf8(case["input"])]

    wrong = []
    for case, verdict in zip(cases, verdicts([case["input"] for case in cases]), strict=True):
        # A joiner beside a Latin letter is dirt from a web page: taken off, and named as a repair.
        if verdict["domain"] is None or "\u200c" in case["input"]:
            continue
        allowed = oracle.privatesuffix(case["to_ascii"].strip(".")) if case["status"] == "" else None
        if verdict["domain"] != allowed:
            wrong.append((case, verdict["domain"]))

    assert len(cases) > 6_000 and wrong == []


def test_no_usual_international_name_is_rejected():
    """Under a real ending and without symbols, what the tests call valid is accepted."""
    oracle = PublicSuffixList(only_icann=True, accept_unknown=False)
    cases = [
        case
        for case in read_jsonl("domains/idna_v2.expected.jsonl.gz")
        if is_utf8(case["input"])
        and case["status"] == ""
        and oracle.privatesuffix(case["to_ascii"])
        and case["to_ascii"].endswith(".de")
    ]

    rejected = [
        (case["input"], verdict["code"])
        for case, verdict in zip(cases, verdicts([case["input"] for case in cases]), strict=True)
        if verdict["domain"] is None
    ]

    assert cases and rejected == []


def test_malformed_a_labels_are_rejected():
    good = json.loads(read_text("domains/punycode_tests.json"))
    bad = json.loads(read_text("domains/bad_punycode_tests.json"))
    cells = [f"xn--{case['encoded']}.com" for case in good if case["encoded"]]
    cells += [f"{case['decoded']}.com" for case in bad] + ["xn--a.com", "xn--99999999.com", "xn--ü.com"]

    found = {verdict["raw"]: verdict["domain_unicode"] for verdict in verdicts(cells) if verdict["domain"]}

    # Of the well-formed ones only names are left: none with symbols or blanks, none that is too long.
    decoded = {f"xn--{case['encoded']}.com": f"{case['decoded']}.com".lower() for case in good}
    assert 0 < len(found) < len(cells)
    assert all(name == decoded[cell] for cell, name in found.items())


@pytest.mark.parametrize("name", ["free_email_domains", "disposable_email_sample"])
def test_mailbox_providers_are_never_sent_as_a_companys_domain(name):
    cells = read_text(f"domains/{name}.txt.gz").split()

    cleaned = clean_domains(pl.Series([f"someone@{cell}" for cell in cells]))

    assert len(cells) > 10_000
    assert cleaned.filter(pl.col("domain").is_not_null())["raw"].to_list() == []


def test_naughty_strings_are_judged_and_give_only_domains_that_stand_in_them():
    cells = json.loads(read_text("strings/blns.json"))

    invented = [
        verdict
        for cell, verdict in zip(cells, verdicts(cells), strict=True)
        if verdict["domain"] and verdict["domain"] not in cell.lower()
    ]

    assert len(cells) > 500 and invented == []


def test_real_organisations_keep_their_domain():
    """Of 66,000 real domains fewer than 1 in 500 is rejected, each with a reason, and none is changed."""
    lines = read_text("domains/base_domains.tsv.gz").splitlines()[1:]
    cells = pl.Series([line.split("\t")[0] for line in lines])

    cleaned = clean_domains(cells)

    changed = cleaned.filter(pl.col("domain").is_not_null() & (pl.col("domain") != pl.col("raw")))
    assert changed.height == 0
    assert cleaned["domain"].null_count() < len(cells) / 500
    assert cleaned.filter(pl.col("domain").is_null())["reason"].null_count() == 0


def test_registrable_domains_equal_the_oracles_for_real_hosts():
    lines = read_text("domains/base_domains.tsv.gz").splitlines()[1:]
    hosts = [f"{prefix}{line.split(chr(9))[0]}" for line in lines[::7] for prefix in ("", "www.", "a.b.")]
    oracle = PublicSuffixList(only_icann=True, accept_unknown=False)

    found = pl.DataFrame({"host": hosts}).select(registrable(pl.col("host"))).to_series().to_list()

    assert found == [oracle.privatesuffix(host) for host in hosts]


def test_registrable_domains_equal_the_oracles_for_every_rule_of_the_list():
    text = read_text("domains/public_suffix_list.dat.gz").split("// ===END ICANN DOMAINS===")[0]
    rules = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("//")]
    names = [rule.removeprefix("!").replace("*", "wild") for rule in rules if rule.isascii()]
    hosts = [f"{prefix}{name}" for name in names for prefix in ("", "acme.", "www.acme.")]
    oracle = PublicSuffixList(only_icann=True, accept_unknown=False)

    found = pl.DataFrame({"host": hosts}).select(registrable(pl.col("host"))).to_series().to_list()

    assert len(hosts) > 10_000
    assert found == [oracle.privatesuffix(host) for host in hosts]

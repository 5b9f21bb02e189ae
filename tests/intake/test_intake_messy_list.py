"""A list of thousands of messy cells, made from real organisations, and two slower ways to clean it as oracles."""

from __future__ import annotations

from collections import Counter

import polars as pl
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from intake_corpora import needs_testdata
from messy_list import ACCEPTED, REJECTED, Case, messy_cases
from publicsuffixlist import PublicSuffixList

from openmart_lib.intake.domains import SEPARATORS, clean_domains
from openmart_lib.intake.hosts import read_cells
from openmart_lib.intake.judge import judge_hosts
from openmart_lib.intake.plain import settle_plain

ROWS = 12_000
PSL = PublicSuffixList(only_icann=True, accept_unknown=False)


def is_right(case: Case, verdict: dict[str, str | None]) -> bool:
    if case.domain is not None:
        return verdict["domain"] == case.domain
    return verdict["domain"] is None and verdict["code"] in case.codes


@needs_testdata
def test_of_a_messy_list_nearly_every_row_is_right_and_no_wrong_one_is_sent() -> None:
    cases = list(messy_cases(ROWS, seed=20_261_122))
    cleaned = clean_domains(pl.Series([case.cell for case in cases], dtype=pl.String)).to_dicts()

    wrong = [
        (case, verdict) for case, verdict in zip(cases, cleaned, strict=True) if not is_right(case, verdict)
    ]

    forms = Counter(case.form for case in cases)
    assert len(forms) == len(ACCEPTED) + len(REJECTED) and min(forms.values()) > 30
    assert [(case.cell, verdict["domain"]) for case, verdict in wrong if verdict["domain"] is not None] == []
    assert len(wrong) <= 0.005 * ROWS, Counter((case.form, case.cell) for case, _ in wrong).most_common(20)


@needs_testdata
def test_of_a_messy_list_each_changed_cell_names_its_rule_and_each_rejected_one_its_reason() -> None:
    cells = [case.cell for case in messy_cases(4_000, seed=7)]

    cleaned = clean_domains(pl.Series(cells, dtype=pl.String))

    accepted = cleaned.filter(pl.col("domain").is_not_null())
    changed = pl.col("raw") != pl.col("domain")
    assert accepted.filter(changed)["rule"].null_count() == 0
    assert accepted.filter(~changed)["rule"].drop_nulls().to_list() == []
    rejected = cleaned.filter(pl.col("domain").is_null())
    assert rejected["code"].null_count() == rejected["reason"].null_count() == 0
    assert rejected["rule"].null_count() == rejected.height
    assert rejected["reason"].str.contains(r"[{}]").sum() == 0


OWNERS = st.sampled_from(
    ["acme.com", "acme.co.uk", "acme.uk.com", "gmail.com", "github.com", "yelp.de", "acme.github.io", "example.com",
     "www.ck", "co.uk", "kobe.jp", "city.kobe.jp", "x.kobe.jp", "acme.con", "mailinator.com", "google.com", "a_b.com",
     "in-addr.arpa", "x.onion", "a-.com", "gmial.com", "wordpress.com", "xn--bcher-kva.de", "1.2.3.4", "myshopify.com",
     "com", "acme.xn--p1ai", "acme.nom.br", "acme.x.kobe.jp"]
)  # fmt: skip
BELOW = st.sampled_from(
    [
        "",
        "www.",
        "shop.",
        "www.shop.",
        "a_b.",
        "sites.",
        "docs.",
        "maps.",
        "-x.",
        "..",
        "0x.",
        "www.www.",
        "xn--bcher-kva.",
    ]
)
BEFORE = st.sampled_from(
    [
        "",
        " ",
        "https://",
        "HTTP://",
        "mailto:",
        "jane.doe@",
        "a+b@",
        "https://u@",
        "@",
        "http:",
        "https://u:p1@",
        "b.de:1x@",
    ]
)
AFTER = st.sampled_from(
    [
        "",
        " ",
        "/",
        ":80",
        ":80/x",
        "/a?b=c#d",
        "?x=jane@x.de",
        "#top",
        "/über-uns",
        ".",
        "/a,b",
        "/[x]",
        "/a|www.b.de",
        ":1x@b.de",
    ]
)
AROUND = st.sampled_from(["{}", "\u200b{}", "Jane <{}>", "[site]({})", '=HYPERLINK("{}","x")', "Website: {}"])


@examples(15)
@given(st.lists(st.tuples(BEFORE, BELOW, OWNERS, AFTER), min_size=1, max_size=40))
def test_a_cell_settled_in_one_pass_gets_the_verdict_and_rule_of_the_careful_way(
    parts: list[tuple[str, ...]],
) -> None:
    cells = pl.Series(["".join(part) for part in parts]).unique()
    settled = settle_plain(cells).filter(pl.col("domain").is_not_null())

    careful = judge_hosts(read_cells(settled["raw"]), allow_example=False).select(
        "raw", "domain", "rule", "code"
    )

    compared = settled.join(careful, on="raw", suffix=" of the careful way")
    assert compared.height == settled.height
    assert (
        compared.filter(
            pl.col("code").is_not_null()
            | pl.col("domain").ne_missing(pl.col("domain of the careful way"))
            | pl.col("rule").ne_missing(pl.col("rule of the careful way"))
        ).rows()
        == []
    )


@examples(15)
@given(st.lists(st.tuples(BEFORE, BELOW, OWNERS, AFTER), min_size=1, max_size=20), AROUND)
def test_a_cell_that_is_plain_once_mended_gets_the_verdict_and_rule_of_the_careful_way(
    parts: list[tuple[str, ...]], around: str
) -> None:
    cells = pl.Series([around.format("".join(part)) for part in parts]).unique()

    cleaned = clean_domains(cells)

    read = read_cells(cells).filter(~pl.col("text").str.contains(SEPARATORS))
    careful = judge_hosts(read, allow_example=False)
    compared = cleaned.join(careful, on="raw", suffix=" of the careful way")
    assert compared.height == read.height
    for name in ("domain", "rule", "code", "suggestion"):
        assert compared.filter(pl.col(name).ne_missing(pl.col(f"{name} of the careful way"))).rows() == []


@needs_testdata
def test_plain_cells_equal_a_simple_oracle_row_by_row() -> None:
    cells = [
        case.cell
        for case in messy_cases(6_000, seed=3)
        if case.form in ("plain", "www", "link", "email", "capitals")
    ]

    domains = clean_domains(pl.Series(cells))["domain"].to_list()

    assert len(cells) > 800
    assert domains == [oracle(cell or "") for cell in cells]


def oracle(cell: str) -> str | None:
    """Clean one cell in the obvious way."""
    host = cell.strip().lower().removeprefix("mailto:").split("://")[-1]
    host = host.split("/")[0].split("?")[0].split("@")[-1].split(":")[0]
    return PSL.privatesuffix(host)

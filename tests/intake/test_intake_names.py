"""A full name splits into first and last; whatever can be read two ways is left to a person."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmart_lib.intake.name_parts import split_name
from openmart_lib.intake.names import split_names

SURE = {
    "Jane Doe": ("Jane", "Doe"),
    "jane doe": ("jane", "doe"),
    "JANE DOE": ("JANE", "DOE"),
    "Doe, Jane": ("Jane", "Doe"),
    "Doe, Jane Q.": ("Jane", "Doe"),
    "Jane Q. Doe": ("Jane", "Doe"),
    "Jane Q Doe": ("Jane", "Doe"),
    "Dr. Jane Doe": ("Jane", "Doe"),
    "Prof. Dr. med. Anna Müller": ("Anna", "Müller"),
    "Dipl.-Ing. Karl Huber": ("Karl", "Huber"),
    "Herr Max Mustermann": ("Max", "Mustermann"),
    "Sr. Pablo Gómez": ("Pablo", "Gómez"),
    "Phil Collins": ("Phil", "Collins"),
    "John Smith Jr.": ("John", "Smith"),
    "John Smith III": ("John", "Smith"),
    "John Smith, PhD": ("John", "Smith"),
    "John Smith, M.D., MBA": ("John", "Smith"),
    "Smith, John, Jr.": ("John", "Smith"),
    "Smith Jr., John": ("John", "Smith"),
    "Jack Ma": ("Jack", "Ma"),
    "Jane Smith MA": ("Jane", "Smith"),
    "Vincent van Gogh": ("Vincent", "van Gogh"),
    "Jan Peter van den Berg": ("Jan Peter", "van den Berg"),
    "Beethoven, Ludwig van": ("Ludwig", "van Beethoven"),
    "Juan Carlos de la Vega": ("Juan Carlos", "de la Vega"),
    "Ursula von der Leyen": ("Ursula", "von der Leyen"),
    "Omar bin Laden": ("Omar", "bin Laden"),
    "Mohammed Al Fayed": ("Mohammed", "Al Fayed"),
    "Karim Al-Hassan": ("Karim", "Al-Hassan"),
    "Al Gore": ("Al", "Gore"),
    "Kim Le": ("Kim", "Le"),
    "José Ortega y Gasset": ("José", "Ortega y Gasset"),
    "García Márquez, Gabriel": ("Gabriel", "García Márquez"),
    "Mary Ann Smith": ("Mary Ann", "Smith"),
    "Anne-Marie Smith-Jones": ("Anne-Marie", "Smith-Jones"),
    "Sean O' Brien": ("Sean", "O'Brien"),
    "Ian St. John": ("Ian", "St. John"),
    "J. Smith": ("J.", "Smith"),
    "J. R. R. Tolkien": ("J. R. R.", "Tolkien"),
    "J.R.R. Tolkien": ("J.R.R.", "Tolkien"),
    "JP Morgan": ("JP", "Morgan"),
    "DUPONT Jean": ("Jean", "DUPONT"),
    "Jean DUPONT": ("Jean", "DUPONT"),
    "VAN DER BERG Jan": ("Jan", "VAN DER BERG"),
    'John "Jack" Smith': ("John", "Smith"),
    "Robert (Bob) Smith": ("Robert", "Smith"),
    "Łukasz Paweł Nowak": ("Łukasz Paweł", "Nowak"),
    "Min-jun Kim": ("Min-jun", "Kim"),
    "Etta Scott": ("Etta", "Scott"),
    "James Thomas": ("James", "Thomas"),
    "Иван Иванов": ("Иван", "Иванов"),
    "Иванов Иван Иванович": ("Иван", "Иванов"),
    "Иван Иванович Иванов": ("Иван", "Иванов"),
    "Γιώργος Παπαδόπουλος": ("Γιώργος", "Παπαδόπουλος"),
    "محمد بن سلمان": ("محمد", "بن سلمان"),
    "山田 太郎": ("太郎", "山田"),
    "김 민준": ("민준", "김"),
}
# Held for a person: name -> what the reason says.
DOUBTFUL = {
    "Madonna": "single word",
    "Mr. Smith": "single word",
    "Nagy Gábor": "last name first",
    "Wang Xiu": "last name first",
    "Nguyen Van Anh": "last name first",
    "Takahashi Minami": "last name first",
    "Smith John": "last name first",
    "Kim Min-jun": "last name first",
    "Иванов Иван": "last name first",
    "Gabriel García Márquez": "middle part",
    "John Quincy Adams": "middle part",
    "Ana Martin Lopez": "middle part",
    "Maria de Lourdes Silva": "last name may begin",
    "Ludwig van": "middle of a last name",
    "De Smet Jan": "middle of a last name",
    "Smith J.": "initial",
    "AJ Smith": "capitals",
    "LI Wei": "capitals",
    "山田太郎": "nothing parts",
    "김민준": "nothing parts",
    "ジョン・スミス": "nothing parts",
    "John Иванов": "several scripts",
    "John Smith, Acme": "comma",
    "John, Smith": "comma",
    "a, b, c": "comma",
    "John & Mary Smith": "several people",
    "Ana y Bob": "several people",
    "John Smith and Jane Doe": "several people",
    "John Smith - CEO": "more than a name",
    "jane@acme.com": "more than a name",
    "www.acme.com": "more than a name",
    "Agent 007": "more than a name",
    "Acme Inc": "company",
    "Sales Team": "company",
    "Müller GmbH": "company",
    "One Two Three Four Five Six Seven": "too many parts",
    "...": "more than a name",
}


@pytest.mark.parametrize(("name", "first_last"), SURE.items(), ids=list(SURE))
def test_a_clear_name_is_split(name, first_last):
    assert split_name(name) == (*first_last, None)


@pytest.mark.parametrize(("name", "why"), DOUBTFUL.items(), ids=list(DOUBTFUL))
def test_a_name_that_can_be_read_two_ways_is_doubted_and_says_why(name, why):
    doubt = split_name(name).doubt

    assert doubt is not None and why in doubt


def test_a_doubtful_name_has_a_proposal_where_there_is_one():
    assert split_name("Nagy Gábor")[:2] == ("Gábor", "Nagy")
    assert split_name("Gabriel García Márquez")[:2] == ("Gabriel García", "Márquez")
    assert split_name("Madonna")[:2] == (None, None)


def test_a_column_is_split_in_order_and_empty_cells_stay_empty():
    split = split_names(pl.Series(["Doe, Jane", None, "Madonna", "Doe, Jane"]))

    assert split.schema == dict.fromkeys(["full_name", "first_name", "last_name", "doubt"], pl.String)
    assert split.rows()[:2] == [("Doe, Jane", "Jane", "Doe", None), (None, None, None, None)]
    assert split["first_name"].to_list() == ["Jane", None, None, "Jane"]
    assert split["doubt"].is_not_null().to_list() == [False, False, True, False]


def test_a_column_without_any_name_is_no_trouble():
    assert split_names(pl.Series([None, None], dtype=pl.String)).null_count().row(0) == (2, 2, 2, 2)
    assert split_names(pl.Series([], dtype=pl.String)).is_empty()


WORDS = st.sampled_from(
    ["Jane", "jane", "JANE", "Gábor", "Nagy", "Wang", "Jean-Luc", "O'Neil", "Doe", "DOE", "van", "de", "Van", "Q.",
     "J", "Dr.", "Jr.", "MA", "Łukasz", "Weiß", "Иван", "太郎", "Smith-Jones", "Min-jun", "Kim", "John", "Inc", "y", "und", "James", "do"]
)  # fmt: skip
NAMES = st.one_of(
    st.builds(" ".join, st.lists(WORDS, min_size=1, max_size=4)),
    st.builds(
        lambda one, two: f"{' '.join(one)}, {' '.join(two)}", *[st.lists(WORDS, min_size=1, max_size=2)] * 2
    ),
    st.text(min_size=1, max_size=20),
)


@settings(max_examples=60)
@given(st.lists(NAMES, min_size=1, max_size=30))
def test_the_way_for_many_names_gives_what_the_way_for_one_gives(names):
    split = split_names(pl.Series(names))

    assert split.rows() == [(name, *split_name(name)) for name in names]


@settings(max_examples=60)
@given(NAMES)
def test_a_split_holds_only_words_of_the_name_and_a_sure_one_has_both(name):
    first, last, doubt = split_name(name)

    letters = "".join(char for char in name if char.isalnum())
    for part in (first, last):
        assert part is None or (
            part.strip() and all("".join(filter(str.isalnum, w)) in letters for w in part.split())
        )
    assert doubt is not None or (first and last)


def test_each_name_of_a_long_column_is_split():
    """Name by name it would take minutes."""
    names = pl.select(
        pl.format("Jane Q. Doe{}", pl.int_range(200_000).cast(pl.String).str.replace_all(r"\d", "x"))
    ).to_series()
    letters = pl.Series(
        [
            f"Jane Doe{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}"
            for n in range(17_576)
        ]
    )
    column = pl.concat([names, letters.rename(names.name)])

    split = split_names(column)

    assert split["doubt"].null_count() == split.height

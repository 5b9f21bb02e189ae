"""Encodings: found, stated with how sure we are, and never at the cost of a line."""

from __future__ import annotations

import pytest
from intake_made_files import cells, read

from openmart_lib.errors import InputError
from openmart_lib.intake.legacy import readings


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings_are_recognised_and_a_byte_order_mark_is_no_part_of_the_first_name(encoding, named):
    text = "Website,Company\nacme.com,Müller & Söhne GmbH – Café\nbeta.de,Beta\n"

    upload = read(text.encode(encoding))

    assert upload.format.encoding == named
    assert upload.frame.rows()[0] == (1, 2, "acme.com", "Müller & Söhne GmbH – Café")


@pytest.mark.parametrize(
    ("encoding", "company"),
    [
        ("cp1250", "Żabka Polska, Łódź"),
        ("cp1254", "Türkiye İş Bankası, Ağrı"),
        ("cp1251", "Сбербанк России, Москва"),
        ("cp1253", "Εθνική Τράπεζα, Αθήνα"),
        ("cp932", "トヨタ自動車株式会社"),
        ("gb18030", "阿里巴巴集团控股有限公司"),
        ("cp949", "삼성전자 주식회사"),
        ("mac_roman", "Müller & Söhne, Zürich"),
    ],
)
def test_legacy_encodings_are_guessed_by_how_they_read_and_the_guess_is_said(encoding, company):
    rows = "".join(f"acme{number}.com;{company}\n" for number in range(20))

    upload = read(("Website;Company\n" + rows).encode(encoding))

    assert upload.frame["Company"].to_list() == [company] * 20
    assert upload.problems[0].file_line == 2 and "guess" in upload.problems[0].message


def test_a_named_encoding_is_used_and_a_wrong_one_is_refused():
    data = "Website,Company\nacme.com,Müller\n".encode("cp1250")

    assert read(data, encoding="cp1250").frame["Company"].item() == "Müller"
    with pytest.raises(InputError, match="not written in utf-8"):
        read(data, encoding="utf-8")
    with pytest.raises(InputError, match="no encoding called"):
        read(data, encoding="klingon")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("company", ["Acme", "Сбербанк России", "トヨタ自動車株式会社"])
def test_wide_encodings_are_read_with_and_without_their_mark(encoding, company):
    rows = "".join(f"firma{number}.com,{company}\n" for number in range(3))

    upload = read(("Website,Company\n" + rows).encode(encoding))

    assert upload.format.encoding == encoding
    assert upload.frame["Company"].to_list() == [company] * 3


# Company and town of each language, and the encodings its files come in.
LANGUAGES = {
    "German": (["cp1252", "cp850", "mac_roman"], "Müller & Söhne GmbH;München|Bäckerei Groß;Köln|Fuß Straßenbau;Düsseldorf"),
    "French": (["cp1252", "cp850", "mac_roman"], "Société Générale;Orléans|Château d'Yquem;Besançon|Hôtel du Forêt;Nîmes"),
    "Swedish": (["cp1252", "mac_roman"], "Åhléns;Malmö|Östgöta Enskilda;Linköping|Bokhandeln Lärdom;Gävle"),
    "Polish": (["cp1250", "iso8859_2", "cp852"], "Żabka Polska;Łódź|Spółdzielnia;Gdańsk|Śnieżka;Dębica|Kościół;Kraków"),
    "Czech": (["cp1250", "iso8859_2"], "Škoda Auto;Mladá Boleslav|Česká spořitelna;Praha|Plzeňský Prazdroj;Plzeň"),
    "Hungarian": (["cp1250"], "Magyar Posta;Székesfehérvár|Győri Keksz;Győr|Fővárosi Vízművek;Budapest"),
    "Turkish": (["cp1254"], "Türkiye İş Bankası;Ağrı|Şişecam;İstanbul|Yapı Kredi;Muğla"),
    "Lithuanian": (["cp1257"], "Lietuvos paštas;Šiauliai|Žalgiris;Klaipėda|Ąžuolas;Panevėžys"),
    "Russian": (["cp1251", "koi8_r", "cp866", "iso8859_5"], "Сбербанк России;Москва|Газпром;Санкт-Петербург|Яндекс;Москва"),
    "Greek": (["cp1253", "iso8859_7"], "Εθνική Τράπεζα;Αθήνα|Ελληνικά Πετρέλαια;Θεσσαλονίκη"),
    "Hebrew": (["cp1255"], "בנק הפועלים;תל אביב|טבע תעשיות;פתח תקווה"),
    "Arabic": (["cp1256"], "شركة الاتصالات السعودية;الرياض|بنك مصر;القاهرة"),
    "Thai": (["cp874"], "ธนาคารกรุงเทพ;กรุงเทพมหานคร|การบินไทย;เชียงใหม่"),
    "Japanese": (["cp932", "euc_jp", "iso2022_jp"], "トヨタ自動車株式会社;豊田市|日本電信電話;東京都|ソニーグループ;港区"),
    "Chinese": (["gb18030"], "阿里巴巴集团控股有限公司;杭州|中国工商银行;北京|华为技术有限公司;深圳"),
    "Taiwanese": (["big5"], "台灣積體電路製造;新竹|鴻海精密工業;新北市|中華電信;台北"),
    "Korean": (["cp949"], "삼성전자 주식회사;서울|현대자동차;서울|네이버;성남"),
}  # fmt: skip
PAIRS = [(language, encoding) for language, (encodings, _) in LANGUAGES.items() for encoding in encodings]


@pytest.mark.parametrize(("language", "encoding"), PAIRS)
def test_a_few_lines_of_any_usual_language_are_read_right_in_its_legacy_encodings(language, encoding):
    rows = LANGUAGES[language][1].split("|")
    text = "Company;City\n" + "\n".join(rows) + "\n"

    upload = read(text.encode(encoding))

    assert cells(upload) == [tuple(row.split(";")) for row in rows]
    assert upload.format.encoding_sure in ("likely", "unsure")
    assert "guess" in upload.problems[0].message


def test_a_guess_is_unsure_where_another_encoding_reads_as_well():
    few, many = (
        "Österreichische".encode("cp850"),
        "Żabka Łódź, Spółdzielnia Gdańsk, Kościół Kraków".encode("cp1250"),
    )

    assert readings(few)[0].sure == "unsure"
    assert (readings(many)[0].encoding, readings(many)[0].sure) == ("cp1250", "likely")


def test_utf_8_is_certain_and_nothing_is_said_about_it():
    upload = read("Company\nMüller\n東京\n")

    assert (upload.format.encoding, upload.format.encoding_sure, upload.problems) == ("utf-8", "certain", ())


def test_a_line_that_is_not_utf_8_as_the_others_is_read_and_named():
    good = "".join(f"c{number}.com,Müller {number}\n" for number in range(5_000)).encode()

    upload = read(b"Website,Company\n" + good + "x.com,Söhne\n".encode("cp1252") + good)

    assert upload.frame.height == 10_001 and upload.format.encoding == "utf-8"
    assert upload.frame["Company"][4_999:5_002].to_list() == ["Müller 4999", "Söhne", "Müller 0"]
    assert [problem.file_line for problem in upload.problems] == [5_002]
    assert "not UTF-8 as the rest" in upload.problems[0].message


def test_a_character_that_a_named_encoding_does_not_have_is_shown_and_named():
    good = "".join(f"c{number}.com,Müller\n" for number in range(20)).encode()

    upload = read(b"Website,Company\n" + good + b"x.com,S\xf6hne\n", encoding="utf-8")

    assert upload.frame["Company"][20] == "S\ufffdhne"
    assert [problem.file_line for problem in upload.problems] == [22]


@pytest.mark.parametrize(
    "codec", ["zlib", "rot13", "base64", "unicode_escape", "idna", "punycode", "utf-7", ""]
)
def test_codecs_that_are_no_encodings_of_lists_are_refused(codec):
    with pytest.raises(InputError, match="no encoding called"):
        read("Website\nacme.com\n", encoding=codec)


def test_a_byte_that_is_cut_off_at_the_end_of_a_wide_text_costs_no_row():
    upload = read("Website,Company\nacme.com,Müller\nbeta.de,Beta\n".encode("utf-16")[:-1])

    assert upload.frame["Website"].to_list() == ["acme.com", "beta.de"]

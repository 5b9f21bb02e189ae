"""Names, titles and labels that simulated people and mailboxes are made of."""

from __future__ import annotations

from typing import Final

Name = tuple[str, str]  # as shown; in ASCII, as e-mail and profile addresses write it


def _names(text: str) -> tuple[Name, ...]:
    """Read ``shown`` or ``shown/ascii`` words; ``_`` stands for a blank inside a name."""
    words = (word.partition("/") for word in text.split())
    return tuple((shown.replace("_", " "), ascii_form or shown.lower()) for shown, _, ascii_form in words)


_WESTERN: Final = (
    _names("""
        Ana Bo Chloe David Emma Farid Grace Hugo Ines Jack Karim Laura Marco Nadia Oscar Priya Quentin Rosa
        Samuel Tessa Umar Vera William Xenia Yusuf Zara Noah Mia Liam Olivia Ethan Sofia Lucas Amelia Omar
        Leila Anne-Marie Zoë/zoe José/jose Łukasz/lukasz Søren/soren Jürgen/jurgen Siân/sian Åsa/asa
        Çağla/cagla Renée/renee Ngọc/ngoc Đặng/dang
    """),
    _names("""
        Silva Smith Jones Garcia Martin Brown Rossi Novak Dubois Khan Patel Costa Weber Andersson Jansen
        Murphy Walker Cohen Ferrari Moreau Schmidt Larsen Okafor Mensah Haddad Singh Torres Ramos Hughes
        Bennett Foster Grant Hayes Irving Keller Lambert Nguyễn/nguyen Müller/muller Gößwein/goesswein
        Hämäläinen/hamalainen Núñez/nunez Le_Gall/legall O'Brien/obrien D'Angelo/dangelo Øvergård/overgard
        Żółć/zolc Đorđević/djordjevic Ökten/okten Šimić/simic van_der_Berg/vanderberg de_la_Cruz/delacruz
    """),
)
_OTHER_SCRIPTS: Final = (
    (_names("Γιώργος/giorgos Ελένη/eleni"), _names("Παππάς/pappas Νικολάου/nikolaou")),
    (_names("Ольга/olga Дмитрий/dmitry"), _names("Иванова/ivanova Коваль/koval")),
    (_names("美咲/misaki 健太/kenta"), _names("佐藤/sato 高橋/takahashi")),
    (_names("伟/wei 静/jing"), _names("王/wang 陈/chen")),
    (_names("지우/jiwoo 민준/minjun"), _names("김/kim 박/park")),
    (_names("محمد/mohammed ليلى/layla"), _names("الحسن/alhassan منصور/mansour")),
    (_names("נועה/noa דוד/david"), _names("לוי/levi כהן/cohen")),
)

# (first names, last names) that go together; about one person in nine is not written in Latin letters
CIRCLES: Final = (_WESTERN,) * 56 + _OTHER_SCRIPTS
SPELLING: Final = {shown: plain for circle in CIRCLES for names in circle for shown, plain in names}

OTHER_TITLES: Final = (
    "Owner",
    "Co-Founder",
    "Managing Director",
    "General Manager",
    "Head of Operations",
    "Office Manager",
    "Sales Manager",
    "Marketing Manager",
    "Directeur général",
    "Geschäftsführerin",
    "Customer Success Lead",
)
NEAR_TITLES: Final = ("Senior {}", "Deputy {}", "Acting {}", "{}, EMEA", "{} & Partnerships", "Global {}")

MAILBOXES: Final = ("info", "hello", "contact", "sales", "support", "office", "press", "jobs")
EVIDENCE: Final = ("script tag", "response header", "cookie", "DNS record", "meta tag")

"""A messy list as analysts have them: real organisations' domains in every form they arrive in, seeded.

Each cell comes with what is right: the domain to send, or the codes of which one must be given. Nothing here
uses the cleaner: what is right is known because the mess is made here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import idna
from intake_corpora import read_text
from publicsuffixlist import PublicSuffixList

# Lists of organisations; the others of the corpus are lists of any hosts, mailbox providers among them.
ORGANISATIONS = ("dotgov", "hipo", "swot", "2fa")
# Of the corpus's lists these are profile pages, hosts and mailbox providers themselves: right is what the issue
# says of a page there, so no form is made of them.
PAGES = frozenset(
    [
        "amazon.com",
        "bandcamp.com",
        "behance.net",
        "crunchbase.com",
        "discord.com",
        "dribbble.com",
        "ebay.com",
        "etsy.com",
        "eventbrite.com",
        "facebook.com",
        "fiverr.com",
        "flickr.com",
        "foursquare.com",
        "g2.com",
        "github.com",
        "gitlab.com",
        "google.com",
        "indeed.com",
        "instagram.com",
        "kakao.com",
        "line.me",
        "linkedin.com",
        "medium.com",
        "meetup.com",
        "nextdoor.com",
        "patreon.com",
        "pinterest.com",
        "quora.com",
        "reddit.com",
        "snapchat.com",
        "soundcloud.com",
        "spotify.com",
        "substack.com",
        "tiktok.com",
        "trustpilot.com",
        "tumblr.com",
        "twitch.tv",
        "twitter.com",
        "upwork.com",
        "vimeo.com",
        "vk.com",
        "whatsapp.com",
        "wikipedia.org",
        "x.com",
        "xing.com",
        "yelp.com",
        "youtube.com",
        "mailbox.org",
    ]
)
PSL = PublicSuffixList(only_icann=True, accept_unknown=False)
PSL_PRIVATE = PublicSuffixList(accept_unknown=False)


@dataclass(frozen=True, slots=True)
class Case:
    """One cell: ``form`` names how it was made; right is ``domain``, or a rejection with one of ``codes``."""

    cell: str | None
    form: str
    domain: str | None = None
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Organisation:
    """A real organisation of the corpus."""

    domain: str
    name: str


@cache
def organisations() -> list[Organisation]:
    """Return organisations whose domain is their own: registrable, on no shared host, no mailbox provider."""
    strangers = {*read_text("domains/free_email_domains.txt.gz").split()}
    strangers |= {*read_text("domains/disposable_email_sample.txt.gz").split()}
    strangers |= PAGES
    found = []
    for line in read_text("domains/base_domains.tsv.gz").splitlines()[1:]:
        domain, name, _, _, _, source = line.split("\t")
        own = PSL.privatesuffix(domain) == domain == PSL_PRIVATE.privatesuffix(domain)
        if own and domain.isascii() and domain not in strangers and source in ORGANISATIONS:
            found.append(Organisation(domain, name))
    return found


def messy_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield cases: three in four can be sent, the others are of every class of rejection."""
    chance = random.Random(seed)
    everybody = organisations()
    accepted, rejected = list(ACCEPTED), list(REJECTED)
    for number in range(count):
        # Every form comes up early; then by chance.
        forms = rejected if number % 4 == 3 else accepted
        form = forms[(number // 4) % len(forms)] if number < 4 * len(accepted) else chance.choice(forms)
        yield form(chance.choice(everybody), chance)


def _full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def _first_label(domain: str) -> str:
    return domain.split(".")[0]


Form = Callable[[Organisation, random.Random], Case]
ACCEPTED: list[Form] = []
REJECTED: list[Form] = []


def _wrapped(name: str, *templates: str) -> None:
    """A form that writes something around the domain."""

    def form(one: Organisation, chance: random.Random) -> Case:
        template = chance.choice(templates)
        cell = template.replace("{D}", one.domain.upper()).replace("{Name}", one.name.replace('"', "'"))
        return Case(cell.replace("{d}", one.domain), name, one.domain)

    ACCEPTED.append(form)


def _rejected(name: str, codes: str, *cells: str | None) -> None:
    """A form of cells that name no company's domain; {d} is a domain, {l} its first label, {Name} a name."""

    def form(one: Organisation, chance: random.Random) -> Case:
        cell = chance.choice(cells)
        if cell is not None:
            cell = (
                cell.replace("{d}", one.domain)
                .replace("{l}", _first_label(one.domain))
                .replace("{Name}", one.name)
            )
        return Case(cell, name, None, frozenset(codes.split()))

    REJECTED.append(form)


_wrapped("plain", "{d}")
_wrapped("capitals", "{D}", "WWW.{D}", "Www.{d}")
_wrapped("www", "www.{d}", "www.{d}/", "{d}/")
_wrapped(
    "link",
    "https://{d}",
    "http://www.{d}/",
    "HTTPS://WWW.{D}/about?x#y",
    "https://www.{d}/en/contact?utm_source=a&b=c#top",
)
_wrapped(
    "odd link",
    "//{d}",
    "http:{d}",
    "http//{d}",
    "https:/{d}/x",
    "hxxps://{d}",
    "https://https://{d}/",
    r"http:\\www.{d}\x",
    "http:// {d}",
)
_wrapped(
    "link with port or user", "https://{d}:8443/x", "{d}:443", "http://user:secret@{d}/x", "ftp://{d}/pub"
)
_wrapped(
    "link with punctuation",
    "https://{d}/page,1.html?a=b;c=d|e",
    "https://{d}/?mail=jane@gmail.com",
    "https://{d}/#/a@b",
)
_wrapped(
    "email", "jane.doe@{d}", "INFO@{D}", "o'brien+x@{d}", "mailto:info@{d}", "mailto:info@{d}?subject=Hi"
)
_wrapped("email with name", "Jane Doe <jane@{d}>", '"Doe, Jane" <jane@{d}>', "jane @ {d}")
_wrapped("at sign", "@{d}", "@www.{d}")
_wrapped(
    "edge punctuation",
    "{d}.",
    "{d};",
    "{d},",
    '"{d}"',
    "'{d}",
    "<{d}>",
    "({d})",
    "[{d}]",
    "“{d}”",
    "«{d}»",
    "`{d}`",
    "{d}…",
    "* {d}",
)
_wrapped("blanks around", "  {d} ", "\t{d}", "{d}\n", "\r\n{d}\r\n", "\u00a0{d}\u00a0", "\u3000{d}")
_wrapped("zero-width", "\u200b{d}", "{d}\ufeff", "\u2060{d}\u200b", "\u200e{d}\u202c", "\ufeffhttps://{d}/")
_wrapped(
    "formula",
    '=HYPERLINK("http://{d}/x","{Name}")',
    '=HYPERLINK("{d}")',
    '=LIEN_HYPERTEXTE("https://{d}";"Site")',
)
_wrapped("markup", "[{Name}](https://{d}/x)", '<a href="https://www.{d}/">{d}</a>', "[site]({d})")
_wrapped("label", "web: {d}", "Website: https://{d}", "URL: {d}", "- {d}", "• {d}")
_wrapped("said twice", "{d}, www.{d}", "{d} / https://{d}", "{d}; info@{d}", "{d} {d}")


def _accepted(form: Form) -> Form:
    ACCEPTED.append(form)
    return form


@_accepted
def _inner_blank(one: Organisation, chance: random.Random) -> Case:
    blank = chance.choice([" ", "\u00a0", "\u200b", "\u00ad", "\u2009"])
    return Case(one.domain.replace(".", f"{blank}.", 1), "inner blank", one.domain)


@_accepted
def _wide(one: Organisation, chance: random.Random) -> Case:
    cell = chance.choice(
        [_full_width(one.domain), one.domain.replace(".", "。"), one.domain.replace(".", "．")]
    )
    return Case(cell, "full-width", one.domain)


@_accepted
def _subdomain(one: Organisation, chance: random.Random) -> Case:
    below = chance.choice(["shop", "eu", "mail", "www2", "go", "my_shop", "a.b.c", "www.en", "xn--bcher-kva"])
    wrapping = chance.choice(["{}", "https://{}/", "info@{}", "http://{}:80/x"])
    return Case(wrapping.format(f"{below}.{one.domain}"), "subdomain", one.domain)


@_accepted
def _international(one: Organisation, chance: random.Random) -> Case:
    name = chance.choice(["bücher", "straße", "café", "señor", "ærø", "smørrebrød", "日本", "köln", "çiçek"])
    ending = chance.choice(["de", "com", "co.uk"])
    tail = "".join(char for char in _first_label(one.domain) if char in "abcdefghijklmnopqrstuvwxyz")[:12]
    unicode_name = f"{name}{tail if name != '日本' else ''}.{ending}"
    domain = idna.encode(unicode_name, uts46=True).decode()
    shapes = [
        unicode_name,
        unicode_name.upper() if "ß" not in unicode_name else f" {unicode_name}",
        domain,
        f"https://www.{unicode_name}/x",
        f"a@{domain}",
    ]
    return Case(chance.choice(shapes), "international", domain)


@_accepted
def _cyrillic(one: Organisation, chance: random.Random) -> Case:
    name = chance.choice(
        ["яндекс.рф", "кто.рф", "пример-банк.рф", "ελλάδα.gr", "例子测试.中国", "한국기업.com", "שלום.co.il"]
    )
    domain = idna.encode(name, uts46=True).decode()
    return Case(chance.choice([name, f"http://{name}/", domain.upper()]), "another script", domain)


_rejected("blank", "blank", None, "", "   ", "\u00a0", "\u200b", "\t\n")
_rejected(
    "placeholder", "placeholder",
    "N/A", "n/a", "NA", "-", "--", "—", "none", "None", "NULL", "null", "#N/A", "TBD", "0", "x", "XXX", "?", "n.a.",
    "unknown", "not available", "no website", "keine", ".", "...", "nan", "TBC", "pending", "ninguno", "aucun",
)  # fmt: skip
_rejected(
    "free mail", "free_mail",
    "jane@gmail.com", "gmail.com", "x@t-online.de", "qq.com", "www.gmx.net", "Jane <j@web.de>", "https://outlook.com",
    "info@yahoo.co.uk", "someone@163.com", "a@libero.it", "b@orange.fr", "c@mail.ru", "d@protonmail.com", "e@icloud.com",
)  # fmt: skip
_rejected(
    "free mail, mistyped",
    "free_mail unknown_ending",
    "a@gmial.com",
    "gamil.com",
    "x@hotmial.com",
    "y@yaho.com",
    "z@gmail.con",
)
_rejected(
    "disposable", "disposable", "x@mailinator.com", "guerrillamail.com", "a@yopmail.com", "b@10minutemail.com"
)
_rejected(
    "profile page", "social",
    "https://www.linkedin.com/company/{l}/", "linkedin.com/in/jane-doe-1234", "https://de.linkedin.com/in/j?trk=x",
    "facebook.com/{l}", "https://m.facebook.com/pages/{l}/12", "instagram.com/{l}", "https://linktr.ee/{l}", "yelp.co.uk/biz/{l}",
    "https://www.google.com/maps/place/{l}", "maps.google.com/?q={l}", "https://goo.gl/maps/x", "https://www.crunchbase.com/organization/{l}",
    "twitter.com/{l}", "https://x.com/{l}", "youtube.com/@{l}", "https://github.com/{l}", "t.me/{l}", "wa.me/491701234567",
    "https://www.tripadvisor.com/x", "https://en.wikipedia.org/wiki/{l}", "amazon.com/shops/{l}", "https://www.xing.com/companies/{l}",
    "https://maps.app.goo.gl/abc", "https://g.page/{l}", "tiktok.com/@{l}", "https://medium.com/@{l}", "glassdoor.com/x",
)  # fmt: skip
_rejected(
    "hosted page", "hosted",
    "{l}shop.myshopify.com", "https://{l}.github.io/site", "sites.google.com/view/{l}", "{l}a.wixsite.com/home",
    "{l}a.wordpress.com", "https://{l}a.blogspot.com/", "{l}a.weebly.com", "http://{l}a.herokuapp.com", "{l}.netlify.app",
    "{l}.vercel.app", "myshopify.com", "https://{l}a.squarespace.com", "{l}.pages.dev", "https://docs.google.com/document/d/1",
)  # fmt: skip
_rejected(
    "address of a machine",
    "ip",
    "192.168.0.1",
    "http://10.0.0.1:8080/x",
    "http://[::1]/",
    "8.8.8.8",
    "0x7f.1",
    "https://172.16.254.1/",
)
_rejected(
    "internal",
    "internal",
    "localhost",
    "http://localhost:3000",
    "mail.{l}.local",
    "intranet.corp",
    "example.com",
    "www.example.org",
    "a.test",
    "http://intranet/",
    "{l}.internal",
)
_rejected(
    "unknown ending",
    "unknown_ending",
    "{l}.notatld",
    "www.{l}.con",
    "https://{l}.cmo/x",
    "{l}.couk",
    "info@{l}.comm",
    "{l}.website1",
)
_rejected(
    "ending only",
    "suffix_only",
    "com",
    ".com",
    "co.uk",
    "www.co.uk",
    "https://co.uk/",
    "公司.cn",
    ".de",
    "@com.au",
)
_rejected(
    "company name",
    "company_name blank",
    "{Name}",
    "Acme Inc",
    "Müller & Söhne GmbH",
    "AT&T",
    "Mr. Coffee",
    "Smith, Jones and Partners",
    "Acme",
    "3M Company",
    "株式会社テスト",
    "See notes",
    "call first",
)
_rejected(
    "several",
    "multiple",
    "{d}; bbc.co.uk",
    "{d} / wikipedia.de",
    "bbc.co.uk, {d}",
    "{d}|spiegel.de",
    "a@{d} b@spiegel.de",
    "{d}\nspiegel.de",
    "{d} und spiegel.de",
    "https://{d},https://www.bbc.co.uk",
)
_rejected(
    "look-alike",
    "lookalike",
    "аррӏе.com",
    "gооgle.com",
    "xn--80ak6aa92e.com",
    "pаypal.com",
    "https://аmazon.de/x",
    "miсrosoft.com",
)
_rejected(
    "changed by Excel",
    "excel",
    "1-Mar",
    "Mrz-24",
    "1.23E+11",
    "4.41E+11",
    "2024-03-01 00:00:00",
    "#REF!",
    "#NAME?",
    "44621",
    "01.03.2024",
    "Jan-99",
    "03/01/2024",
    "#VALUE!",
    "5-May-24",
    "12345.678",
)
_rejected("comma for dot", "invalid", "{l},com", "www,{l},com")
_rejected(
    "bad label",
    "invalid",
    "-{l}.com",
    "{l}..com",
    "my_{l}.com",
    "a" * 64 + ".com",
    "a." * 130 + "com",
    "http://{l}%zz.com/",
    "xn--{l}ü.com",
    "{l}!.com",
)

"""What a client is given (addresses, key, ids), checked before anything is connected or sent."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from openmart_lib.errors import ConfigError, InputError

if TYPE_CHECKING:  # settings imports this package
    from openmart_lib.settings import Secret

_VISIBLE_ASCII: Final = re.compile(r"[\x21-\x7e]+")
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9a-f:]+(%\w+)?")  # the last form is IPv6


def key_text(key: Secret | str, name: str) -> str:
    """Return a key's text, fit for a header.

    Raises:
        ConfigError: If it is empty or holds anything but visible ASCII; the message does not show it.
    """
    text = key if isinstance(key, str) else key.reveal()
    if not _VISIBLE_ASCII.fullmatch(text):
        raise ConfigError(
            f"{name} is empty, or holds a blank, a line break or a character no key has. Copy the key again."
        )
    return text


def base_address(url: str, name: str) -> str:
    """Return a base URL without its last slash.

    Raises:
        ConfigError: If it is not a plain https address (http only for this computer).
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = bool(_HOST.fullmatch(host)) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"{name} must be a plain address such as https://api.example.com. Correct it.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigError(f"{name} must start with https:// (http:// only for this computer). Correct it.")
    return url.rstrip("/")


def proxies_for(base_url: str, proxy: str | None) -> dict[str, str]:
    """Return the proxy per scheme; none for this computer, which a proxy would look for on its own side.

    Raises:
        ConfigError: If the proxy is not an http or https address; the message does not show it.
    """
    if proxy is None:
        return {}
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("The proxy must be an address such as http://proxy.example.com:3128. Correct it.")
    if is_loopback(urlsplit(base_url).hostname or ""):
        return {}
    return {"http": parts.geturl(), "https": parts.geturl()}


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only mean this computer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def usable_id(value: object) -> str | None:
    """Return an id as text, or None for what cannot be asked for again.

    A number becomes its digits. Empty, blank, ``.`` and ``..`` (which would change the path), control and
    replacement characters are not usable.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or value in (".", ".."):
        return None
    if not value.isprintable() or "\ufffd" in value:
        return None
    return value


def path_segment(value: str, name: str) -> str:
    """Return an id percent-encoded as one segment of a path.

    Raises:
        InputError: If it is no usable id.
    """
    text = usable_id(value)
    if text is None:
        raise InputError(
            f"This {name} is empty or is no id. Nothing was asked for. Give the id as it was received.",
            column=name,
        )
    return quote(text, safe="")

"""Settings: environment variables and ``.streamlit/secrets.toml`` read once into one frozen value."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import platformdirs

from openmart_lib.api.address import base_address
from openmart_lib.api.wire import DEFAULT_BASE_URL, DEFAULT_LANCE_BASE_URL
from openmart_lib.errors import ConfigError

SANDBOX: Final = "sandbox"
SECRETS_FILE: Final = Path(".streamlit") / "secrets.toml"
DEFAULT_STALL_AFTER: Final = 1200.0  # seconds without any change before a batch counts as stalled
DEFAULT_READ_RATE: Final = 15.0  # reads per second; the third-party figure for task reads is 20
DEFAULT_CONFIRM_ABOVE: Final = 5_000.0  # credits at most, from which on a person types the number
DEFAULT_REUSE_DAYS: Final = 90  # how far back is looked for what was bought before
DEFAULT_SANDBOX_SPEED: Final = 13.0  # a submission takes 2 s, a task 2 to 10 s

NAMES: Final = (
    "OPENMART_API_KEY",
    "OPENMART_BASE_URL",
    "OPENMART_AUTH",
    "OPENMART_DATA_DIR",
    "OPENMART_DATABASE_URL",
    "OPENMART_SUBMIT_CONCURRENCY",
    "OPENMART_READ_RATE",
    "OPENMART_READ_CONCURRENCY",
    "OPENMART_STALL_AFTER",
    "OPENMART_PROXY",
    "OPENMART_CA_BUNDLE",
    "OPENMART_PRICES",
    "OPENMART_CONFIRM_ABOVE",
    "OPENMART_REUSE_DAYS",
    "OPENMART_SANDBOX_SPEED",
    "LANCE_TOKEN",
    "LANCE_BASE_URL",
)


class Secret:
    """A key or token that shows itself only when asked: ``str`` and ``repr`` give ``****``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself; only the transport may call this."""
        return self._value

    @property
    def last4(self) -> str:
        """The last four characters, for people to tell keys apart; "" for short ones."""
        return self._value[-4:] if len(self._value) >= 12 else ""

    def fingerprint(self, salt: str) -> str:
        """Return a salted hash that recognises the key and does not give it away."""
        return hashlib.sha256(f"{salt}:{self._value}".encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        return "Secret(****)"

    def __str__(self) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


@dataclass(frozen=True, slots=True)
class Prices:
    """Credits per found value: third-party figures, so every use calls itself an estimate.

    Source: two published clients agree (the API README, "Credits"). ``OPENMART_PRICES`` overrides,
    for example ``email=3,phone=8,mailbox=1,technology=2``.
    """

    email: float = 3
    phone: float = 8
    mailbox: float = 1  # 0.3 in one source, whole credits in a live check: the worst case counts
    technology: float = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, checked. Times in seconds, rates per second (0 = no limit)."""

    api_key: Secret | None = None
    base_url: str = DEFAULT_BASE_URL
    auth: str = "x-api-key"
    lance_token: Secret | None = None
    lance_base_url: str = DEFAULT_LANCE_BASE_URL
    data_dir: Path = field(default_factory=lambda: Path(platformdirs.user_data_dir("openmart-desk")))
    database_url: str | None = None
    submit_concurrency: int = 4
    read_rate: float | None = None
    read_concurrency: int = 32
    stall_after: float = DEFAULT_STALL_AFTER
    proxy: str | None = None
    ca_bundle: Path | None = None
    prices: Prices = Prices()
    confirm_above: float = DEFAULT_CONFIRM_ABOVE
    reuse_days: int = DEFAULT_REUSE_DAYS
    sandbox_speed: float = DEFAULT_SANDBOX_SPEED

    @property
    def simulated(self) -> bool:
        """Whether Openmart is the built-in sandbox (no key is set)."""
        return self.api_key is None

    @property
    def lance_simulated(self) -> bool:
        """Whether Lance is the built-in sandbox (no token is set)."""
        return self.lance_token is None

    @property
    def environment(self) -> str:
        """``sandbox``, or the base URL: what runs are bound to and data folders are kept apart by."""
        return SANDBOX if self.simulated else self.base_url

    @property
    def environment_dir(self) -> Path:
        """This environment's own subfolder of the data folder."""
        return self.data_dir / environment_slug(self.environment)

    @property
    def sandbox_dir(self) -> Path:
        """Where the sandbox server keeps its state, lock and port file."""
        return self.data_dir / SANDBOX / "server"

    @property
    def effective_read_rate(self) -> float:
        """Reads per second over all threads; 0 = no limit. 15 on the real API, none on the sandbox."""
        if self.read_rate is not None:
            return self.read_rate
        return 0.0 if self.simulated else DEFAULT_READ_RATE

    @property
    def speed(self) -> float:
        """How much faster than life Openmart is: the sandbox's speed, 1 for the real API."""
        return self.sandbox_speed if self.simulated else 1.0

    @property
    def effective_stall_after(self) -> float:
        """Seconds without change before a batch is stalled, scaled with the sandbox's faster time."""
        if self.simulated and self.stall_after == DEFAULT_STALL_AFTER:
            return max(30.0, self.stall_after / self.sandbox_speed)
        return self.stall_after

    def to_environ(self) -> dict[str, str]:
        """Return these settings as environment variables, for a child process."""
        given: dict[str, object] = {
            "OPENMART_API_KEY": self.api_key.reveal() if self.api_key else "",
            "OPENMART_BASE_URL": self.base_url,
            "OPENMART_AUTH": self.auth,
            "OPENMART_DATA_DIR": self.data_dir,
            "OPENMART_DATABASE_URL": self.database_url or "",
            "OPENMART_SUBMIT_CONCURRENCY": self.submit_concurrency,
            "OPENMART_READ_RATE": "" if self.read_rate is None else self.read_rate,
            "OPENMART_READ_CONCURRENCY": self.read_concurrency,
            "OPENMART_STALL_AFTER": self.stall_after,
            "OPENMART_PROXY": self.proxy or "",
            "OPENMART_CA_BUNDLE": self.ca_bundle or "",
            "OPENMART_CONFIRM_ABOVE": self.confirm_above,
            "OPENMART_REUSE_DAYS": self.reuse_days,
            "OPENMART_SANDBOX_SPEED": self.sandbox_speed,
            "LANCE_TOKEN": self.lance_token.reveal() if self.lance_token else "",
            "LANCE_BASE_URL": self.lance_base_url,
        }
        return {name: str(value) for name, value in given.items()}


def environment_slug(environment: str) -> str:
    """Return an environment's folder name: its host, plus a short hash unless that is the whole of it."""
    if environment == SANDBOX:
        return SANDBOX
    parts = urlsplit(environment)
    host = re.sub(r"[^a-z0-9.-]", "-", (parts.hostname or "unknown").lower())
    if environment == f"https://{host}":
        return host
    return f"{host}-{hashlib.sha256(environment.encode()).hexdigest()[:8]}"


def load_settings(environ: Mapping[str, str] | None = None, *, secrets_file: Path | None = None) -> Settings:
    """Read the settings; an environment variable, even an empty one, wins over ``secrets.toml``.

    Raises:
        ConfigError: If a value cannot be used. The message names the setting, never a key's text.
    """
    environ = os.environ if environ is None else environ
    values = _read_secrets(SECRETS_FILE if secrets_file is None else secrets_file)
    values |= {name: environ[name] for name in NAMES if name in environ}
    given = {name: text.strip() for name, text in values.items() if text.strip()}

    auth = given.get("OPENMART_AUTH", "x-api-key").lower()
    if auth not in ("x-api-key", "bearer"):
        raise ConfigError("OPENMART_AUTH must be x-api-key or bearer. Correct it and start again.")
    ca_bundle = Path(given["OPENMART_CA_BUNDLE"]) if "OPENMART_CA_BUNDLE" in given else None
    if ca_bundle is not None and not ca_bundle.exists():
        raise ConfigError(f"OPENMART_CA_BUNDLE names {ca_bundle}, which does not exist. Correct the path.")
    defaults = Settings()
    data_dir = (
        Path(given["OPENMART_DATA_DIR"]).expanduser() if "OPENMART_DATA_DIR" in given else defaults.data_dir
    )
    return Settings(
        api_key=_secret(given, "OPENMART_API_KEY"),
        base_url=base_address(given.get("OPENMART_BASE_URL", DEFAULT_BASE_URL), "OPENMART_BASE_URL"),
        auth=auth,
        lance_token=_secret(given, "LANCE_TOKEN"),
        lance_base_url=base_address(given.get("LANCE_BASE_URL", DEFAULT_LANCE_BASE_URL), "LANCE_BASE_URL"),
        data_dir=data_dir.absolute(),
        database_url=given.get("OPENMART_DATABASE_URL"),
        submit_concurrency=int(_number(given, "OPENMART_SUBMIT_CONCURRENCY", 4, low=1, high=64)),
        read_rate=(
            _number(given, "OPENMART_READ_RATE", 0, low=0, high=10_000)
            if "OPENMART_READ_RATE" in given
            else None
        ),
        read_concurrency=int(_number(given, "OPENMART_READ_CONCURRENCY", 32, low=1, high=256)),
        stall_after=_number(given, "OPENMART_STALL_AFTER", DEFAULT_STALL_AFTER, low=1, high=86_400 * 7),
        proxy=given.get("OPENMART_PROXY"),
        ca_bundle=ca_bundle,
        prices=_prices(given.get("OPENMART_PRICES", "")),
        confirm_above=_number(given, "OPENMART_CONFIRM_ABOVE", DEFAULT_CONFIRM_ABOVE, low=0, high=1e12),
        reuse_days=int(_number(given, "OPENMART_REUSE_DAYS", DEFAULT_REUSE_DAYS, low=1, high=36_500)),
        sandbox_speed=_number(given, "OPENMART_SANDBOX_SPEED", DEFAULT_SANDBOX_SPEED, low=0.1, high=10_000),
    )


def _read_secrets(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # The parser's own message can quote the line, and the line can hold a key.
        raise ConfigError(f'{path} is not valid TOML. Write each setting as NAME = "value".') from None
    return {name: str(content[name]) for name in NAMES if name in content}


def _secret(given: Mapping[str, str], name: str) -> Secret | None:
    text = given.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ConfigError(
            f"{name} holds a blank, a line break or a character no key has. Copy the key again."
        )
    return Secret(text)


def _number(given: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    try:
        value = float(given.get(name, default))
    except ValueError:
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}. Correct it.") from None
    if not low <= value <= high:
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}. Correct it.")
    return value


def _prices(text: str) -> Prices:
    known = {"email", "phone", "mailbox", "technology"}
    values: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, number = part.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            values["?"] = -1
    if not set(values) <= known or any(value < 0 for value in values.values()):
        raise ConfigError(
            "OPENMART_PRICES must look like email=3,phone=8,mailbox=1,technology=2. Correct it."
        )
    return Prices(**values)

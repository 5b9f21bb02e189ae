"""Settings: read from the environment and secrets.toml, checked, and never giving a key away."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from openmart_lib.errors import ConfigError
from openmart_lib.settings import (
    NAMES,
    SANDBOX,
    Prices,
    Secret,
    Settings,
    environment_slug,
    load_settings,
)

KEY = "CANARY-key-0123456789"


def test_without_a_key_everything_is_the_sandbox(tmp_path: Path) -> None:
    settings = load_settings({}, secrets_file=tmp_path / "none.toml")

    assert settings.simulated
    assert settings.lance_simulated
    assert settings.environment == SANDBOX
    assert settings.effective_read_rate == 0


def test_a_key_makes_the_base_url_the_environment_with_a_folder_of_its_own(tmp_path: Path) -> None:
    settings = load_settings({"OPENMART_API_KEY": KEY, "OPENMART_DATA_DIR": str(tmp_path)})

    assert settings.environment == "https://api.openmart.ai"
    assert settings.environment_dir == tmp_path / "api.openmart.ai"
    assert settings.effective_read_rate == 15


def test_two_base_urls_never_share_a_folder() -> None:
    urls = [
        "https://a.example",
        "https://a.example:8443",
        "https://a.example/v2",
        "http://127.0.0.1:1",
        SANDBOX,
    ]

    assert len({environment_slug(url) for url in urls}) == len(urls)


def test_an_environment_variable_even_an_empty_one_wins_over_the_secrets_file(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f'OPENMART_API_KEY = "{KEY}"\nLANCE_TOKEN = "from-the-file-123456"\n')

    from_file = load_settings({}, secrets_file=secrets)
    from_both = load_settings({"OPENMART_API_KEY": ""}, secrets_file=secrets)

    assert from_file.api_key == Secret(KEY)
    assert from_both.api_key is None
    assert from_both.lance_token == Secret("from-the-file-123456")


@pytest.mark.parametrize("bad", ["with blank", "line\nbreak", "smart“quote", "tab\t"])
def test_a_key_that_no_server_could_have_given_is_refused_without_showing_it(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"OPENMART_API_KEY": f"secret{bad}secret"})

    assert "secret" not in str(caught.value)
    assert "OPENMART_API_KEY" in str(caught.value)


def test_a_secrets_file_that_is_no_toml_is_named_and_not_quoted(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f"OPENMART_API_KEY = {KEY}\n")

    with pytest.raises(ConfigError) as caught:
        load_settings({}, secrets_file=secrets)

    assert KEY not in str(caught.value)
    assert "secrets.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENMART_BASE_URL", "http://api.openmart.ai"),
        ("OPENMART_BASE_URL", "https://user:pass@api.openmart.ai"),
        ("OPENMART_BASE_URL", "https://api.openmart.ai?x=1"),
        ("OPENMART_AUTH", "basic"),
        ("OPENMART_SUBMIT_CONCURRENCY", "0"),
        ("OPENMART_SUBMIT_CONCURRENCY", "many"),
        ("OPENMART_READ_RATE", "-1"),
        ("OPENMART_CA_BUNDLE", "does-not-exist.pem"),
        ("OPENMART_PRICES", "email=3;phone=8"),
        ("OPENMART_PRICES", "fax=1"),
        ("OPENMART_CONFIRM_ABOVE", "-1"),
        ("OPENMART_CONFIRM_ABOVE", "much"),
        ("OPENMART_REUSE_DAYS", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_settings({name: value})


def test_prices_can_be_set_one_by_one() -> None:
    assert load_settings({"OPENMART_PRICES": "email=2, phone=10"}).prices == Prices(email=2, phone=10)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(KEY)
    settings = Settings(api_key=secret)

    shown = f"{secret} {secret!r} {settings!r} {settings} {secret.fingerprint('salt')}"

    assert KEY not in shown
    assert secret.last4 == KEY[-4:]
    assert secret.fingerprint("salt") != secret.fingerprint("other salt")
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_child_process_gets_the_same_settings_whatever_the_secrets_file_says(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f'OPENMART_API_KEY = "{KEY}"\n')
    for given in (
        Settings(data_dir=tmp_path, sandbox_speed=50, submit_concurrency=7, reuse_days=14),
        Settings(
            api_key=Secret(KEY), data_dir=tmp_path, auth="bearer", read_rate=3, proxy="http://127.0.0.1:9"
        ),
    ):
        assert load_settings(given.to_environ(), secrets_file=secrets) == given


def test_every_setting_of_the_list_is_read() -> None:
    source = Path(__file__).parents[1] / "openmart_lib" / "settings.py"
    text = source.read_text(encoding="utf-8").split(")\n", 1)[1]

    assert [name for name in NAMES if text.count(f'"{name}"') == 0] == []

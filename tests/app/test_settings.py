import ipaddress
from pathlib import Path

import pytest

from app.settings import SETTINGS, Settings, SettingsError, describe_settings


def test_without_an_environment_every_setting_has_its_default() -> None:
    settings = Settings.load({})

    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 3000, 1)
    assert settings.data == Path("data").absolute()
    assert settings.secret_key_file == settings.data / "secret.key"
    assert settings.database_url is None
    assert settings.trusted_proxies == ()


def test_settings_are_read_from_the_environment_and_others_variables_are_left_alone() -> None:
    settings = Settings.load(
        {
            "TALLYGATE_DATA": "/somewhere",
            "TALLYGATE_PORT": "8080",
            "TALLYGATE_DRAIN_SECONDS": "0.5",
            "TALLYGATE_LOG_LEVEL": "DEBUG",
            "TALLYGATE_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "PORT": "9",
        }
    )

    assert settings.secret_key_file == Path("/somewhere/secret.key")
    assert (settings.port, settings.drain_seconds, settings.log_level) == (8080, 0.5, "debug")
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.load({"TALLYGATE_DATABASE_URL": "", "TALLYGATE_PORT": ""}) == Settings.load({})


def test_a_database_may_have_a_standby_as_a_second_host() -> None:
    url = "postgresql://u:p@db-a:5432,db-b:5432/tallygate?target_session_attrs=read-write"

    assert Settings.load({"TALLYGATE_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("https://llm.example.com", ""),
        ("https://llm.example.com/", ""),
        ("http://[::1]:8080/llm/", "/llm"),
        ("https://example.com/teams/llm-2", "/teams/llm-2"),
    ],
)
def test_the_path_of_the_public_address_is_the_prefix(address: str, prefix: str) -> None:
    assert Settings.load({"TALLYGATE_PUBLIC_URL": address}).prefix == prefix


def test_without_a_public_address_there_is_no_prefix() -> None:
    assert Settings.load({}).prefix == ""


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("TALLYGATE_PORT", "65536", "a whole number from 0 to 65535"),
        ("TALLYGATE_PORT", "-1", "a whole number"),
        ("TALLYGATE_PORT", "3_000", "a whole number"),
        ("TALLYGATE_PORT", "٣٠٠٠", "a whole number"),
        ("TALLYGATE_WORKERS", "0", "a whole number from 1"),
        ("TALLYGATE_DRAIN_SECONDS", "nan", "a number of seconds"),
        ("TALLYGATE_DRAIN_SECONDS", "soon", "a number of seconds"),
        ("TALLYGATE_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("TALLYGATE_TRUSTED_PROXIES", "10.0.0.1/8", "addresses or networks"),
        ("TALLYGATE_PUBLIC_URL", "llm.example.com", "an address such as"),
        ("TALLYGATE_PUBLIC_URL", "https://user:word@llm.example.com", "an address such as"),
        ("TALLYGATE_PUBLIC_URL", "https://llm.example.com?x", "an address such as"),
        ("TALLYGATE_PUBLIC_URL", "https://llm.example.com/v1", "before its /v1 or /api"),
        ("TALLYGATE_PUBLIC_URL", "https://llm.example.com/api/x", "before its /v1 or /api"),
        ("TALLYGATE_PUBLIC_URL", "https://llm.example.com/a b", "plain parts only"),
        ("TALLYGATE_PUBLIC_URL", "https://llm.example.com/../x", "plain parts only"),
        ("TALLYGATE_PUBLIC_URL", 'https://llm.example.com/"><script>', "plain parts only"),
        ("TALLYGATE_CONSOLE", "yes", "on or off"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(variable: str, value: str, right: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.load({variable: value})

    assert variable in str(refusal.value)
    assert repr(value) in str(refusal.value)
    assert right in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TALLYGATE_ROOT_PASSWORD", "tiny"),
        ("TALLYGATE_DATABASE_URL", "mysql://user:hunter22@host/name"),
        ("TALLYGATE_DATABASE_URL", "postgresql://user:hunter22@host:port/name"),
        ("TALLYGATE_DATABASE_URL", "postgresql://user:hunter22@host:5432,other:port/name"),
    ],
)
def test_a_wrong_secret_is_named_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.load({variable: value})

    assert variable in str(refusal.value)
    assert value not in str(refusal.value)
    assert "hunter22" not in str(refusal.value)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match="TALLYGATE_PROT is not a setting: did you mean TALLYGATE_PORT"):
        Settings.load({"TALLYGATE_PROT": "3000"})


def test_secrets_are_not_in_the_text_of_the_settings() -> None:
    settings = Settings.load(
        {
            "TALLYGATE_ROOT_PASSWORD": "correct horse",
            "TALLYGATE_DATABASE_URL": "postgresql://u:battery@host/name",
        }
    )

    assert "horse" not in repr(settings)
    assert "battery" not in f"{settings}"


def test_every_setting_is_described() -> None:
    rows = describe_settings()

    assert [row.variable for row in rows] == [setting.variable for setting in SETTINGS]
    assert {setting.field for setting in SETTINGS} == set(Settings.__struct_fields__)
    assert all(row.default and row.meaning.endswith(".") for row in rows)

"""Settings: what is wrong is named, what is secret is not shown, and nothing changes once it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from nova_feed.errors import SettingsError
from nova_feed.settings import SECRETS, Settings, env_name, load, without_password
from tests.unit.test_ranking_candidates import law

URLS = ("POSTGRES_URL", "CLICKHOUSE_URL", "REDIS_URL", "NOVA_CONNECT_URL", "NOVA_CDC_POSTGRES_URL", "NOVA_JWKS_URL")
PASSWORD = "tr0ub4dor"


def good(secret: str) -> str:
    """A value that this secret may have, with the password in it."""
    return f"smtp://nova:{PASSWORD}@mail.example.com" if secret == "NOVA_SMTP_URL" else PASSWORD * 4


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value)


def test_without_any_variable_the_defaults_hold() -> None:
    settings = load({})
    assert (settings.http_port, settings.worker_concurrency, settings.feed_ttl_s) == (8080, 2, 120)


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_every_setting_has_a_name_of_its_own_a_default_and_a_description(field: str) -> None:
    assert [env_name(other) for other in Settings.model_fields].count(env_name(field)) == 1
    assert Settings.model_fields[field].description
    assert not Settings.model_fields[field].is_required()


@pytest.mark.parametrize(
    "name", ["NOVA_LOGFORMAT", "NOVA_", "NOVA_POSTGRES_URL", "NOVA_LOG_FORMAT_FILE", "NOVA_http_host"]
)
def test_an_unknown_setting_is_named(name: str) -> None:
    assert f"unknown setting {name}" in refusal(**{name: "x"})


def test_variables_of_others_are_none_of_our_business() -> None:
    assert load({"PATH": "/bin", "HOME": "/root", "SUPERNOVA_X": "1"}) == load({})


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("HTTP_PORT", "http", "integer"), ("HTTP_PORT", "0", "greater than or equal to 1"),
        ("HTTP_PORT", "65536", "less than or equal to 65535"), ("WORKER_CONCURRENCY", "1.5", "integer"),
        ("LOG_LEVEL", "loud", "'debug'"), ("NOVA_LOG_FORMAT", "xml", "'json'"),
        ("NOVA_WEIGHT_FRESHNESS", "nan", "less than or equal to 1000"), ("NOVA_WEIGHT_AFFINITY", "-1", "0"),
        ("NOVA_CLICKHOUSE_TIMEOUT_S", "0", "greater than 0"), ("NOVA_FEED_TTL_S", "2m", "integer"),
        ("NOVA_LIST_TTL_S", "59", "60"),
    ],
)  # fmt: skip
def test_a_malformed_setting_is_named_with_its_value_and_what_would_be_right(name: str, value: str, right: str) -> None:
    sentence = refusal(**{name: value})
    assert f"{name}='{value}' is wrong" in sentence
    assert right in sentence


def test_all_malformed_settings_are_named_at_once() -> None:
    sentence = refusal(HTTP_PORT="x", LOG_LEVEL="loud")
    assert "HTTP_PORT" in sentence
    assert "LOG_LEVEL" in sentence


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "value",
    [
        "postgresql:/nova:{}@db/nova", "nova:{}@db:5432", "postgresql://nova:{}@:5432/nova", "postgresql://nova:{}@",
        "postgresql://nova:{}@db:port/nova", "postgresql://nova:{}", "postgresql://nova:{}@[db/nova", "://nova:{}@db",
        "postgresql://nova:{}/x@db:y/nova", "postgresql://nova:{}://@db:70000/nova", "postgresql:///nova?password={}",
    ],
)  # fmt: skip
def test_a_malformed_url_is_refused_by_name_without_its_password(name: str, value: str) -> None:
    sentence = refusal(**{name: value.format(PASSWORD)})
    assert name in sentence
    assert "must be a URL such as" in sentence
    assert PASSWORD not in sentence


@law
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=20))
def test_no_password_in_a_url_is_ever_shown(password: str) -> None:
    shown = without_password(f"postgresql://nova:{password}@db:5432/nova")
    assert shown == "postgresql://nova:***@db:5432/nova"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8123/nova",
        "postgresql://nova@db/nova",
        "localhost:9092",
        "a:9092,b:9092",
        "redis://[::1]:6379/0",
        "",
    ],
)
def test_a_url_without_password_is_shown_as_it_is(url: str) -> None:
    assert without_password(url) == url


@pytest.mark.parametrize("name", [name for name in SECRETS if name != "NOVA_SMTP_URL"])
def test_a_secret_that_is_too_short_is_named_and_not_shown(name: str) -> None:
    sentence = refusal(**{name: PASSWORD})
    assert name in sentence
    assert "at least 32 characters" in sentence
    assert PASSWORD not in sentence


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_lie_in_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(good(name) + "\n")
    settings = load({f"{name}_FILE": str(tmp_path / "secret")})
    [field] = [field for field in Settings.model_fields if env_name(field) == name]
    assert getattr(settings, field).get_secret_value() == good(name)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    assert f"{name}_FILE={tmp_path / 'absent'}" in refusal(**{f"{name}_FILE": str(tmp_path / "absent")})


@pytest.mark.parametrize("name", SECRETS)
def test_settings_shown_show_no_secret(name: str) -> None:
    settings = load({name: good(name)})
    assert PASSWORD not in repr(settings) + str(settings) + settings.model_dump_json()


def test_every_secret_is_of_the_type_that_hides_itself() -> None:
    hidden = {env_name(f) for f, info in Settings.model_fields.items() if info.annotation is SecretStr}
    assert hidden == set(SECRETS)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert load({"HTTP_PORT": "", "NOVA_JWT_SECRET": ""}) == load({})


def test_settings_do_not_change() -> None:
    settings = load({})
    with pytest.raises(ValidationError):
        settings.http_port = 1


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_given_twice_is_refused(name: str) -> None:
    said = refusal(**{name: "s" * 32, f"{name}_FILE": "/secret"})
    assert said == f"both {name} and {name}_FILE are set: leave one of them out"


@pytest.mark.parametrize("url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://nova:hunter2@"])
def test_where_mail_goes_must_be_a_mail_server_and_is_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"NOVA_SMTP_URL=\(hidden\) is wrong: must be smtp://") as found:
        load({"NOVA_SMTP_URL": url})
    assert "hunter2" not in str(found.value)
    assert load({"NOVA_SMTP_URL": "smtps://nova:x@mail.example.com:465"}).smtp_url.get_secret_value().endswith(":465")

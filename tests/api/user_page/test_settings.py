"""When there is a page: both this host's settings and the policy say so, and the key is one."""

from pathlib import Path

import msgspec
import pytest

from tests.records.signed_in import POLICIES
from vault_service.bootstrap.api import user_page
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.ids import AppId, new_uuid
from vault_service.domain.tokens import AppKey, new_secret
from vault_service.policy.rules import Policies
from vault_service.settings import Api, Database, KmsClient

KEY = AppKey(AppId(new_uuid()), new_uuid(), new_secret()).reveal()
ORIGIN = "https://vault.example.org"


def api_of(origin: str | None, key_file: Path | None) -> Api:
    return Api(
        metrics_port=1,
        database=Database(dsn="host=nowhere", password_file=Path("none")),
        kms=KmsClient(url="unix:/none"),
        user_page_origin=origin,
        user_page_app_key=key_file,
    )


def policies_with(*, enabled: bool) -> Policies:
    rule = msgspec.structs.replace(POLICIES.pages.user_page, enabled=enabled)
    pages = msgspec.structs.replace(POLICIES.pages, user_page=rule)
    return msgspec.structs.replace(POLICIES, pages=pages)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "app.key"
    file.write_text(KEY)
    file.chmod(0o600)
    return file


def test_it_takes_settings_and_policy(key_file: Path) -> None:
    assert user_page(api_of(ORIGIN, key_file), policies_with(enabled=False)) is None
    assert user_page(api_of(None, None), policies_with(enabled=True)) is None

    page = user_page(api_of(ORIGIN, key_file), policies_with(enabled=True))

    assert page is not None
    assert (page.origin, page.app_key.reveal()) == (ORIGIN, KEY)
    assert KEY not in repr(page)


def test_the_projects_own_policy_has_it_off(key_file: Path) -> None:
    assert user_page(api_of(ORIGIN, key_file), POLICIES) is None


@pytest.mark.parametrize(
    "origin", ["vault.example.org", "https://vault.example.org/", "https://Vault.example.org"]
)
def test_an_origin_that_no_browser_would_send_is_refused(origin: str, key_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no origin"):
        user_page(api_of(origin, key_file), policies_with(enabled=True))


@pytest.mark.parametrize("origin", ["https://vault.example.org:443", "http://localhost:80"])
def test_a_port_that_browsers_leave_out_is_refused(origin: str, key_file: Path) -> None:
    """Their Origin would be another one, and no form would be accepted."""
    with pytest.raises(ConfigurationError, match="browsers send") as refused:
        user_page(api_of(origin, key_file), policies_with(enabled=True))
    assert refused.value.remedy == f"Write {origin.rpartition(':')[0]}."


def test_half_of_the_settings_is_refused(key_file: Path) -> None:
    for api in (api_of(ORIGIN, None), api_of(None, key_file)):
        with pytest.raises(ConfigurationError, match="go together"):
            user_page(api, policies_with(enabled=True))


def test_a_key_file_that_others_may_read_or_that_holds_none_is_refused(key_file: Path) -> None:
    key_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        user_page(api_of(ORIGIN, key_file), policies_with(enabled=True))
    key_file.chmod(0o600)
    key_file.write_text("vsa_something-else")
    with pytest.raises(ConfigurationError, match="holds no app key") as refused:
        user_page(api_of(ORIGIN, key_file), policies_with(enabled=True))
    assert "something-else" not in str(refused.value)

"""vaultctl app: keys are shown once, end when told, and are never lost to a wrong path."""

import itertools
from pathlib import Path

import pytest

from tests.cli.commands import vaultctl
from tests.rig.vault import PASSWORD, Vault
from vault_service.cli.app import parse_duration
from vault_service.client import AppKeyRefusedError, VaultClient
from vault_service.domain.errors import InvalidInputError

_numbers = itertools.count(1)


def may_sign_up(vault: Vault, app_key: str) -> bool:
    with VaultClient(vault.api_url, app_key=app_key) as client:
        try:
            client.sign_up(f"app-{next(_numbers)}@example.org", PASSWORD)
        except AppKeyRefusedError:
            return False
    return True


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("90d", 7_776_000)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "91d", "24 h", "٣h", "99999999999s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_duration(text)


@pytest.mark.slow
def test_a_key_is_shown_once_and_listed_never(served: Vault) -> None:
    made = vaultctl(served, "app", "create", "shown once", "--json")

    assert made.code == 0
    assert may_sign_up(served, made.json["app_key"])
    listed = vaultctl(served, "app", "list", "--json")
    assert made.json["app_key"] not in listed.out
    mine = next(app for app in listed.json if app["name"] == "shown once")
    assert (mine["tenant"], mine["valid_keys"], mine["revoked"]) == ("default", 1, False)
    assert "shown once" in vaultctl(served, "app", "list").out


@pytest.mark.slow
def test_a_key_can_go_to_a_private_file_instead(served: Vault, tmp_path: Path) -> None:
    file = tmp_path / "shop.key"

    made = vaultctl(served, "app", "create", "to a file", "--key-file", file)

    key = file.read_text().strip()
    assert made.code == 0
    assert key not in made.out + made.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert may_sign_up(served, key)


@pytest.mark.slow
def test_no_app_is_made_when_its_key_could_not_be_kept(served: Vault, tmp_path: Path) -> None:
    taken = tmp_path / "taken.key"
    taken.write_text("another app's key")

    refused = vaultctl(served, "app", "create", "never made", "--key-file", taken)

    assert refused.code == 3
    assert taken.read_text() == "another app's key"
    assert "never made" not in vaultctl(served, "app", "list", "--json").out


@pytest.mark.slow
def test_no_empty_key_file_stays_behind_a_refusal(served: Vault, tmp_path: Path) -> None:
    file = tmp_path / "x.key"
    assert vaultctl(served, "app", "rotate", "no such app", "--key-file", file).code == 5
    assert not file.exists()


@pytest.mark.slow
def test_rotation_lets_both_keys_live_for_the_overlap_only(served: Vault) -> None:
    first = vaultctl(served, "app", "create", "turning", "--json").json["app_key"]

    second = vaultctl(served, "app", "rotate", "turning", "--overlap", "1h", "--json").json["app_key"]
    assert may_sign_up(served, first)
    assert may_sign_up(served, second)

    third = vaultctl(served, "app", "rotate", "turning", "--overlap", "0s", "--json").json["app_key"]
    assert not may_sign_up(served, first)
    assert not may_sign_up(served, second)
    assert may_sign_up(served, third)


@pytest.mark.slow
def test_a_revoked_app_is_refused_at_once(served: Vault) -> None:
    key = vaultctl(served, "app", "create", "leaving", "--json").json["app_key"]

    assert vaultctl(served, "app", "revoke", "leaving", "--json").json["revoked"] is True

    assert not may_sign_up(served, key)
    apps = vaultctl(served, "app", "list", "--json").json
    assert next(app["revoked"] for app in apps if app["name"] == "leaving") is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("create", "bad/name"), 2),
        (("rotate", "shop", "--overlap", "soon"), 2),
        (("revoke", "no such app"), 5),
        (("create",), 2),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(served: Vault, arguments: tuple[str, ...], code: int) -> None:
    assert vaultctl(served, "app", *arguments).code == code

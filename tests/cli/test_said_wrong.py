"""What vaultctl says to people at a terminal and to scripts, when something cannot be done."""

import json
from pathlib import Path

import pytest

from tests.cli.commands import vaultctl
from tests.rig.vault import Vault
from vault_service.cli.output import report
from vault_service.domain.errors import InvalidInputError, ThrottledError, UnavailableError, VaultError
from vault_service.domain.recovery_errors import TooManyCasesError


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InvalidInputError("--user", "say whom"), "--help has examples"),
        (UnavailableError("the key service"), "vaultctl doctor"),
        (TooManyCasesError(retry_after_s=90), "Wait 90 s;"),
        (ThrottledError(retry_after_s=4), "Wait 4 s, then"),
    ],
)
def test_no_remedy_speaks_of_requests_and_headers(
    error: VaultError, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report(error, as_json=True)

    remedy = json.loads(capsys.readouterr().err)["error"]["remedy"]
    assert says in remedy
    assert not any(word in remedy for word in ("request", "Retry-After"))


@pytest.mark.slow
def test_a_script_that_finds_no_database_reads_one_error(vault: Vault, tmp_path: Path) -> None:
    settings = tmp_path / "vault.toml"
    away = vault.settings_file.read_text().replace("user=vault_recovery", "user=nobody")
    settings.write_text(away)
    elsewhere = Vault(vault.home, vault.keys, vault.records)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Vault, "settings_file", settings)
        ran = vaultctl(elsewhere, "recovery", "list", "--json")

    assert (ran.code, ran.out) == (4, "")
    assert json.loads(ran.err)["error"]["code"] == "service.database_unavailable"

"""What vaultctl says to people at a terminal and to scripts, when something cannot be done."""

import json
from pathlib import Path

import pytest

from tests.ceremony.typing_in import answer_in_a_terminal
from tests.cli.commands import run, vaultctl
from tests.rig.vault import Vault
from vault_service.cli.output import report
from vault_service.domain.errors import InvalidInputError, ThrottledError, UnavailableError, VaultError
from vault_service.domain.recovery_errors import TooManyCasesError


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InvalidInputError("--user", "say whom"), "--help has examples"),
        (UnavailableError("the key service"), "vaultctl doctor"),
        (UnavailableError("the key service"), "look first"),  # a case was opened, and nobody was told
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


@pytest.mark.slow
@pytest.mark.parametrize(("option", "says"), [((), "Broken off."), (("--json",), '"code": "broken_off"')])
def test_ctrl_c_at_a_question_is_no_finding_and_no_wrong_usage(
    vault: Vault, tmp_path: Path, option: tuple[str, ...], says: str
) -> None:
    """The code is what shells give it: 1 would tell a script that wraps do not open, say."""
    keygen = ["officer", "keygen", "dora", "--out", str(tmp_path / "dora.key"), *option]

    typed = answer_in_a_terminal(vault, keygen, ["\x03"])

    assert (typed.code, list(tmp_path.iterdir())) == (130, [])
    assert says in typed.shown


def test_wrong_usage_is_explained_to_people_and_is_json_for_scripts() -> None:
    people, script = (run({}, "rotate", "retire", "pepper", "0", *more) for more in ((), ("--json",)))

    assert (people.code, script.code) == (2, 2)
    assert "Try 'vaultctl rotate retire --help'" in people.err
    assert json.loads(script.err)["error"]["code"] == "usage"

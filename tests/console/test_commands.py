"""vaultctl officer: inviting, looking at what came in, and proposing it, for officers who have key files."""

import re
from pathlib import Path

import pytest

from tests.cli.commands import vaultctl
from tests.console.desk import Desk
from tests.rig.passkeys import SoftPasskey
from tests.rig.vault import PASSPHRASE


@pytest.fixture
def ana(desk: Desk, tmp_path: Path) -> tuple[str | Path, ...]:
    passphrase = tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(PASSPHRASE)
    return "--key", desk.office.vault.home / "officers" / "ana.key", "--passphrase-file", passphrase


def test_an_invitation_leads_to_a_card_that_is_proposed(desk: Desk, ana: tuple[str | Path, ...]) -> None:
    vault = desk.office.vault
    invited = vaultctl(vault, "officer", "invite", "xenia", *ana)
    assert invited.code == 0
    (token,) = re.findall(r"http://localhost:\d+/enrol#([\w-]{43})\n", invited.out)
    assert desk.enrol(token, SoftPasskey()).status_code == 200

    listed = vaultctl(vault, "officer", "enrolled", "--json").json
    (xenia,) = (each for each in listed if each["name"] == "xenia")
    assert (xenia["invited_by"], xenia["what"]) == ("ana", "somebody new")
    assert f"key {xenia['key']} (passkey)" in vaultctl(vault, "officer", "enrolled").out

    card = f"{xenia['enrolled_id']}:approver,discloser"
    proposed = vaultctl(vault, "officer", "propose", "--enrolled", card, "--only-show", *ana)
    assert f"adds officer xenia with the roles approver, discloser, key {xenia['key']}" in proposed.out


def test_what_cannot_be_is_said(desk: Desk, ana: tuple[str | Path, ...]) -> None:
    vault = desk.office.vault

    nobody = vaultctl(vault, "officer", "invite", *ana)
    unknown = vaultctl(
        vault, "officer", "propose", "--enrolled", "01a20bd4-b9cf-720c-91f9-0159d46a5734", "--only-show", *ana
    )

    assert (nobody.code, unknown.code) != (0, 0)
    assert "1 to 64 characters" in nobody.err
    assert "no card came in" in unknown.err

"""docs/runbooks/token-lost.md: another token, with the keys of the lost one and a number of its own."""

from pathlib import Path

import pytest

from tests.rig.officers import manifest_of
from tests.runbooks.desk import Desk
from vault_service.ceremony.break_glass_words import so_pin_of
from vault_service.ceremony.security_officer import SoPinRefusedError, security_officer
from vault_service.ceremony.shares import combine
from vault_service.kms.token.admin import token_serial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DELIVERED_WITH = "the PIN that the replacing token was delivered with"
COMMAND = "vaultctl break-glass --keep ana --keep bob --keep cleo"


def put_another_token_in_its_place(desk: Desk) -> str:
    """As a vendor's backup restores keys into another device; returns its serial number."""
    before = manifest_of(desk.vault).tokens.escrow
    serial = before[:-4] + ("0000" if before[-4:] != "0000" else "1111")
    (stored,) = (desk.vault.home / "tokens" / "escrow").rglob("token.object")
    held = stored.read_bytes()
    assert held.count(before.encode()) == 1
    stored.write_bytes(held.replace(before.encode(), serial.encode()))
    pin = so_pin_of(combine(desk.sheets[:2]), before)
    with security_officer(desk.vault.place("escrow"), [pin], serial=serial) as officer:
        officer.set_own_pin(DELIVERED_WITH)
    return serial


def pin_file(desk: Desk, pin: str, mode: int = 0o600) -> Path:
    file = desk.folder / "so-pin"
    file.write_text(pin + "\n")
    file.chmod(mode)
    return file


def test_a_replacing_token_is_taken_over_with_the_pin_that_it_was_delivered_with(desk: Desk) -> None:
    """Whoever knows that PIN later opens nothing by it, and the words on paper give the token's own."""
    desk.stop_ceremonies()
    serial, before = put_another_token_in_its_place(desk), manifest_of(desk.vault)
    sheets = (desk.sheets[2], desk.sheets[0])

    readable = desk.type_in_a_terminal(f"{COMMAND} --so-pin-file {pin_file(desk, DELIVERED_WITH, 0o644)}", {})
    without = desk.type_in_a_terminal(COMMAND, {}, ("yes", *sheets))
    wrong = desk.type_in_a_terminal(
        f"{COMMAND} --so-pin-file {pin_file(desk, 'guessed')}", {}, ("yes", *sheets)
    )

    assert (readable.code, without.code, wrong.code) == (3, 3, 3)
    assert "can be read by others" in readable.shown
    assert "If this one replaces it" in without.shown
    assert "security officer PIN" in wrong.shown
    assert manifest_of(desk.vault) == before

    done = desk.type_in_a_terminal(
        f"{COMMAND} --so-pin-file {pin_file(desk, DELIVERED_WITH)}", {}, ("yes", *sheets)
    )

    assert done.code == 0, done.shown[-2000:]
    desk.sheets = tuple(" ".join(done.papers[number]) for number in sorted(done.papers))
    assert manifest_of(desk.vault).tokens.escrow == serial == token_serial(desk.vault.place("escrow"))
    with (
        pytest.raises(SoPinRefusedError),
        security_officer(desk.vault.place("escrow"), [DELIVERED_WITH], serial=serial),
    ):
        pass
    with security_officer(
        desk.vault.place("escrow"), [so_pin_of(combine(desk.sheets[:2]), serial)], serial=serial
    ):
        pass

    desk.start_ceremonies()
    desk.drill()
    assert desk.executed()

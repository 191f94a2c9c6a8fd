"""docs/runbooks/pin-blocked.md and token-lost.md, done as they stand."""

import pytest

from tests.ceremony.test_pin_open import raise_flag
from tests.rig.officers import manifest_of
from tests.runbooks.desk import Desk
from vault_service.ceremony.break_glass_words import so_pin_of
from vault_service.ceremony.security_officer import security_officer
from vault_service.ceremony.shares import combine
from vault_service.kms.token.pkcs11_module import PinFlags

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def change_pin_behind_the_back(desk: Desk) -> None:
    """By somebody with the security officer's PIN: it is no share's any more."""
    serial = manifest_of(desk.vault).tokens.escrow
    pins = [so_pin_of(combine(desk.sheets[:2]), serial)]
    with security_officer(desk.vault.place("escrow"), pins, serial=serial) as officer:
        officer.set_user_pin("a PIN that nobody knows")


def test_a_pin_that_somebody_changed_is_set_anew_with_the_words_on_paper(desk: Desk) -> None:
    change_pin_behind_the_back(desk)
    desk.drill()
    assert desk.ceremony_has_failed()
    raise_flag(desk.vault, PinFlags.FINAL_TRY)
    with desk.follow("runbooks/pin-blocked.md") as page:
        said = page.look()
        assert "escrow token: PIN flags: COUNT_LOW|FINAL_TRY" in said
        assert "the token has refused PIN generation" in said

        desk.use_the_sheets(page)
        page.run()
    assert desk.executed()
    assert not [check for check, detail in desk.doctor(wrong=True).items() if "escrow" in check]


def test_a_token_whose_backup_was_put_back_opens_with_the_shares_of_that_time(desk: Desk) -> None:
    (stored,) = (desk.vault.home / "tokens" / "escrow").rglob("token.object")
    desk.variables["TOKEN"] = str(stored.parent.parent)
    with desk.follow("runbooks/token-lost.md") as page:
        page.run()
        desk.drill()
        assert desk.executed()
        page.run()
        page.run()
        assert desk.ceremony_has_failed()
        said = page.look()
        assert "the token has refused PIN generation" in said
        page.run()
        assert desk.executed()
    assert "any 2 open the token" in str(desk.doctor())

"""An escrow key that the escrow token does not have: one officer's, or mistyped. Nothing is sealed to it."""

import pytest

from tests.ceremony.office import Office
from tests.ceremony.rotations import changed, drill_of_all, generations, new_escrow_key, proposed, rotated
from tests.kms.escrow_keys import somebodys_point
from tests.rig.officers import manifest_of
from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.recovery.officers import use_escrow_key
from vault_service.recovery.propose import escrow_key_of


@pytest.fixture(scope="module")
def office(turned_office: Office) -> Office:
    turned_office.somebody()
    return turned_office


@pytest.fixture
def made(office: Office) -> int:
    """The number of a key that a ceremony has made, and that no manifest names: of each test's own."""
    (outcome,) = office.serve(office.open("key-ceremony"), "ana", "bob").outcomes
    return escrow_key_of(outcome.says)[0]


@pytest.mark.parametrize("number", ["of a key in the token", "of none"])
def test_endorsed_by_everybody_it_does_not_become_current(office: Office, made: int, number: str) -> None:
    """Who proposes it has its other half; those who endorse it would have to compare 130 digits."""
    before = manifest_of(office.vault)
    gen = made if number == "of a key in the token" else made + 7

    case = proposed(office, use_escrow_key(gen, somebodys_point()))
    (outcome,) = office.serve(case, "ana", "bob").outcomes

    assert isinstance(outcome.error, CaseRefusedError)
    assert K.CEREMONY_REFUSED in office.events(case)
    assert manifest_of(office.vault) == before
    office.veto(case, "ana")


def test_where_it_has_become_current_no_wrap_is_moved_to_it(
    office: Office, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a vault of before, or since somebody put another token in the place of this one."""
    with monkeypatch.context() as patched:
        patched.setattr(EscrowToken, "holds", lambda *_: True)
        changed(office, use_escrow_key(made, somebodys_point()))
    before = generations(office)

    case, result = rotated(office)

    assert isinstance(result.outcomes[0].error, CaseRefusedError)
    assert generations(office) == before
    office.veto(case, "ana")

    gen = new_escrow_key(office)
    (outcome,) = rotated(office)[1].outcomes
    assert outcome.error is None
    assert generations(office) == {gen}
    assert "wraps opened, 0 failed" in drill_of_all(office).outcomes[0].says

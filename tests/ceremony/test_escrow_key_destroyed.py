"""An old escrow key is given up by the officers, once no wrap needs it, and destroyed in the token."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.ceremony.office import NEW_PASSWORD, Office, office_of
from tests.ceremony.rotations import (
    drill_of_all,
    keys_in_token,
    new_escrow_key,
    proposed,
    rotated,
)
from tests.rig.officers import manifest_of
from tests.rig.vault import Vault
from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.domain.errors import ManifestError, TokenUnavailableError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.rotation_errors import GenerationNeededError
from vault_service.recovery.officers import destroy_escrow_key


@pytest.fixture
def office(own_vault: Vault) -> Iterator[Office]:
    """Of a vault of its own: what is destroyed stays destroyed."""
    with office_of(own_vault) as opened:
        yield opened


def destroyed_events(office: Office) -> list[str]:
    with office.vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT encode(digest, 'hex') FROM audit_events WHERE kind = %s", (int(K.KEY_DESTROYED),)
        )
        return [str(row[0]) for row in rows]


def test_an_old_escrow_key_goes_when_nothing_needs_it_and_not_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One story, since each step stands on the one before."""
    person = office.somebody()
    old = manifest_of(office.vault).keys.escrow[0]

    # What is sealed to by now cannot be given up, nor what wraps are on, even before anybody approves.
    with pytest.raises(ManifestError, match="0 current keys"):
        proposed(office, destroy_escrow_key(1))
    gen = new_escrow_key(office)
    with pytest.raises(GenerationNeededError, match="1 escrow wraps"):
        proposed(office, destroy_escrow_key(1))

    # A regain that was asked for before goes on after the wraps have moved.
    regain = office.begin(person)
    case, result = rotated(office)
    assert [outcome.error for outcome in result.outcomes] == [None], office.events(case)
    office.serve(regain, "ana", "bob")
    assert person.opens_with(NEW_PASSWORD)

    # A wrap that turns up while the officers decide is counted once more, under a lock.
    change = proposed(office, destroy_escrow_key(1))
    with office.vault.keys.superuser() as conn, conn.transaction():
        conn.execute("UPDATE escrow_wraps SET escrow_gen = 1")
        conn.execute("UPDATE deks SET escrow_gen = 1")
    (outcome,) = office.serve(change, "ana", "bob").outcomes
    assert isinstance(outcome.error, GenerationNeededError)
    assert office.events(change)[-2:] == [K.CEREMONY_REFUSED, K.CASE_REOPENED]
    assert keys_in_token(office) == {"escrow/1", f"escrow/{gen}"}
    with office.vault.keys.superuser() as conn, conn.transaction():
        conn.execute("UPDATE escrow_wraps SET escrow_gen = %s", (gen,))
        conn.execute("UPDATE deks SET escrow_gen = %s", (gen,))

    # The token fails at the very moment: the manifest says destroyed, and the next ceremony does it.
    def away(*_: object) -> None:
        raise TokenUnavailableError("the escrow token")

    with monkeypatch.context() as patched:
        patched.setattr(EscrowToken, "destroy_escrow_key", away)
        office.serve(change, "ana", "bob")
    assert manifest_of(office.vault).keys.escrow[0].state == "destroyed"
    assert keys_in_token(office) == {"escrow/1", f"escrow/{gen}"}
    (drill,) = drill_of_all(office).outcomes
    assert drill.says.startswith("1 wraps opened, 0 failed")
    assert keys_in_token(office) == {f"escrow/{gen}"}
    assert destroyed_events(office) == [hashlib.sha256(bytes.fromhex(old.public_key)).hexdigest()] * 2

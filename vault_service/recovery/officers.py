"""Changes of officers, quorum, floors and the escrow key: what is proposed, how it reads, who endorses it.

A proposal is a whole manifest that follows the newest one. It becomes the newest by a case: a quorum
approves, each signing the proposed bytes as well as the case, and the key service signs it in the ceremony
that executes it (kms/rotation/sign_manifest.py). Until then nothing has changed, and afterwards the ceremony
splits the escrow PIN anew among the officers as they are then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from vault_service.crypto.officer_change import check_change
from vault_service.domain.errors import InvalidInputError, ManifestError
from vault_service.domain.manifest import (
    Floors,
    Manifest,
    Officer,
    PublicKeyGeneration,
    RecoveryFloors,
    Role,
    manifest_hash,
    manifest_signing_input,
    parse_manifest,
)
from vault_service.domain.manifest_difference import difference
from vault_service.domain.recovery_errors import ProposalRefusedError
from vault_service.recovery.officer_card import Beside, Card, PasskeyCard

MOST_PASSKEYS = 4  # of one officer: who has more has lost sight of some

Change = Callable[[Manifest], Manifest]
"""One step from a manifest to another; several make one proposal."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A manifest that is to become the newest, and how it differs."""

    body: bytes
    lines: tuple[str, ...]


def propose(newest: Manifest, changes: Sequence[Change], now: datetime) -> Proposal:
    """All changes together, as the manifest that follows. Raises InvalidInputError, ProposalRefusedError."""
    candidate = msgspec.structs.replace(
        newest,
        serial=newest.serial + 1,
        previous=manifest_hash(newest.encode()).hex(),
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
    )
    for change in changes:
        candidate = change(candidate)
    body = candidate.encode()
    try:
        return Proposal(body, review(body, newest))
    except ManifestError as error:  # nobody has altered anything: what was asked for does not do
        raise ProposalRefusedError(error.detail) from None


def review(body: bytes, newest: Manifest) -> tuple[str, ...]:
    """What the officer is asked to endorse, one sentence for each change. Raises ManifestError.

    To be shown before it is endorsed: the machine knows that it can be worked under, not that it is right.
    """
    candidate = parse_manifest(body)
    check_change(newest, candidate)
    return difference(newest, candidate)


def endorsement_input(body: bytes, newest: Manifest) -> bytes:
    """What an officer signs to endorse a proposal. Raises ManifestError as `review` does."""
    review(body, newest)
    return manifest_signing_input(body)


# --- the changes


def add(card: Card, roles: tuple[Role, ...], user_ids: tuple[UUID, ...] = ()) -> Change:
    """Somebody new. One person who comes with a second card of his own is not told from two people."""

    def change(manifest: Manifest) -> Manifest:
        if any(officer.officer_id == card.officer_id for officer in manifest.officers):
            raise InvalidInputError("add", f"{card.name} is an officer already: re-key instead")
        return _with(manifest, (*manifest.officers, card.officer(roles, user_ids)))

    return change


def remove(who: str) -> Change:
    """Somebody leaves: approvals of theirs count no more, and new shares do not reach them."""

    def change(manifest: Manifest) -> Manifest:
        gone = find_officer(manifest, who)
        return _with(manifest, tuple(each for each in manifest.officers if each is not gone))

    return change


def re_key(card: Card) -> Change:
    """The same person with another key file or passkey: every key of before is given up."""

    def change(manifest: Manifest) -> Manifest:
        if isinstance(card, PasskeyCard) and isinstance(card.beside, Beside):
            raise InvalidInputError(
                "re-key",
                f"{card.name}'s card is of a passkey beside the one there is, for the same share key",
            )
        officer = next((each for each in manifest.officers if each.officer_id == card.officer_id), None)
        if officer is None:
            raise InvalidInputError(
                "re-key", f"{card.name}'s file is for a new person: make it with officer keygen --officer-id"
            )
        fresh = card.officer(officer.roles, officer.user_ids)
        return _replaced(manifest, officer, msgspec.structs.replace(fresh, name=officer.name))

    return change


def add_spare(card: Card) -> Change:
    """A further passkey beside those that the officer has: the same person, and the same share key."""

    def change(manifest: Manifest) -> Manifest:
        officer = find_officer(manifest, str(card.officer_id))
        spare = card.officer(()).authenticators
        if card.share_key != officer.share_key:
            raise InvalidInputError("spare", f"{card.name}'s card is for another share key: re-key instead")
        if not takes_a_spare(officer):
            raise InvalidInputError("spare", f"{card.name} has {MOST_PASSKEYS} passkeys: re-key instead")
        both = (*officer.authenticators, *spare)
        return _replaced(manifest, officer, msgspec.structs.replace(officer, authenticators=both))

    return change


def takes_a_spare(officer: Officer) -> bool:
    """Whether one more passkey may stand beside those that the officer has."""
    return len(officer.authenticators) < MOST_PASSKEYS


def set_roles(who: str, roles: tuple[Role, ...]) -> Change:
    """What an officer may do."""

    def change(manifest: Manifest) -> Manifest:
        officer = find_officer(manifest, who)
        return _replaced(manifest, officer, msgspec.structs.replace(officer, roles=roles))

    return change


def set_user_ids(who: str, user_ids: tuple[UUID, ...]) -> Change:
    """Which accounts are the officer's own: what concerns them the officer does not decide."""

    def change(manifest: Manifest) -> Manifest:
        officer = find_officer(manifest, who)
        return _replaced(manifest, officer, msgspec.structs.replace(officer, user_ids=user_ids))

    return change


def set_quorum(*, base: int | None = None, disclosure: int | None = None) -> Change:
    """How many must agree. None: as it is."""

    def change(manifest: Manifest) -> Manifest:
        given = {"base": base, "disclosure": disclosure}
        wanted = {name: value for name, value in given.items() if value is not None}
        return msgspec.structs.replace(manifest, quorum=msgspec.structs.replace(manifest.quorum, **wanted))

    return change


def set_floors(wanted: dict[str, int]) -> Change:
    """By their names in the manifest; those of recovery as well. Raises InvalidInputError for others."""
    unknown = wanted.keys() - {*Floors.__struct_fields__, *RecoveryFloors.__struct_fields__} | (
        wanted.keys() & {"recovery"}
    )
    if unknown:
        raise InvalidInputError("floor", f"there is none called {', '.join(sorted(unknown))}")

    def change(manifest: Manifest) -> Manifest:
        plain = {name: value for name, value in wanted.items() if name in Floors.__struct_fields__}
        recovery = {name: value for name, value in wanted.items() if name not in plain}
        before = manifest.floors.recovery
        if recovery:
            start = RecoveryFloors() if before is msgspec.UNSET else before
            before = msgspec.structs.replace(start, **recovery)
        floors = msgspec.structs.replace(manifest.floors, **plain, recovery=before)
        return msgspec.structs.replace(manifest, floors=floors)

    return change


def use_escrow_key(gen: int, point: bytes) -> Change:
    """New wraps are sealed to this key from then on; what was sealed to others stays openable.

    `gen`: the number of its label in the token, `point`: 65 bytes; the key ceremony shows both.
    """

    def change(manifest: Manifest) -> Manifest:
        retired = tuple(
            msgspec.structs.replace(key, state="retiring") if key.state == "current" else key
            for key in manifest.keys.escrow
        )
        added = PublicKeyGeneration(gen, "current", point.hex())
        keys = msgspec.structs.replace(manifest.keys, escrow=(*retired, added))
        return msgspec.structs.replace(manifest, keys=keys)

    return change


def destroy_escrow_key(gen: int) -> Change:
    """Nothing may be sealed to it or opened with it any more; the ceremony destroys it in the token.

    What was sealed to it, in a backup say, opens for nobody from then on.
    """

    def change(manifest: Manifest) -> Manifest:
        if all(key.gen != gen for key in manifest.keys.escrow):
            raise InvalidInputError("escrow key", f"the manifest names no escrow key {gen}")
        keys = tuple(
            msgspec.structs.replace(key, state="destroyed") if key.gen == gen else key
            for key in manifest.keys.escrow
        )
        return msgspec.structs.replace(manifest, keys=msgspec.structs.replace(manifest.keys, escrow=keys))

    return change


def find_officer(manifest: Manifest, who: str) -> Officer:
    """By name or id. Raises InvalidInputError."""
    found = [each for each in manifest.officers if who in {each.name, str(each.officer_id)}]
    if len(found) != 1:
        names = ", ".join(each.name for each in manifest.officers)
        raise InvalidInputError("officer", f"{who} is none of {names}")
    return found[0]


def _with(manifest: Manifest, officers: tuple[Officer, ...]) -> Manifest:
    return msgspec.structs.replace(manifest, officers=officers)


def _replaced(manifest: Manifest, old: Officer, new: Officer) -> Manifest:
    return _with(manifest, tuple(new if each is old else each for each in manifest.officers))

"""Believe a chain of manifests, or refuse it: signatures, hashes, the pin and the highest serial seen.

A superuser of the keys database can write any row; a root on its host any file. What neither can
do is sign with the online token's manifest key or in the officers' names, nor change what is pinned.

A link after the first is believed when the manifest key of the link before signed it, it names that
link's serial and hash, and

- its keys moved as domain/key_states.py allows, whoever signed; and
- it changes nothing but what the token alone may change: the generations of the online token's keys; or
- a quorum of the officers of the link *before* endorsed it: distinct people with the role approver, as
  many as that link's base quorum and never fewer than two, each with one of the authenticators that it
  names. Who is added by a link has no say in it, and who is removed by it has; or
- the break-glass key that the link *before* names endorsed it. The words on paper are for when people are
  gone, so it may put others in their place: officers, quorum, the escrow token's serial (a backup that was
  restored). It may touch no key and no floor, since whoever finds the sheets must not get new wraps sealed
  to a key of his own, nor weaken a policy. And it must name another break-glass key: words that have been
  typed somewhere are used up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature

from vault_service.crypto.ed25519 import verify_ed25519
from vault_service.crypto.officer_signature import verify_signature
from vault_service.domain.errors import ManifestError
from vault_service.domain.key_states import check_key_changes
from vault_service.domain.manifest import (
    BREAK_GLASS_ID,
    MIN_QUORUM,
    Authenticator,
    Manifest,
    manifest_hash,
    manifest_signing_input,
    parse_manifest,
)


class Endorsement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One officer's signature over a new manifest."""

    officer_id: UUID
    authenticator_id: UUID
    signature: str  # hex


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A link as it is stored."""

    body: bytes
    signature: bytes
    endorsements: tuple[Endorsement, ...] = ()


def verify_chain(links: Sequence[SignedManifest], *, pinned: bytes, at_least: int = 1) -> Manifest:
    """The newest manifest of a chain that is sound from the pinned first link on.

    `pinned`: SHA-256 of the first manifest. `at_least`: the highest serial ever seen; an older
    chain is a rollback. Raises ManifestError, naming the serial and what is wrong.
    """
    if not links:
        raise ManifestError("there is no manifest")
    if manifest_hash(links[0].body) != pinned:
        raise ManifestError("the first manifest does not have the pinned fingerprint")
    newest = parse_manifest(links[0].body)
    if newest.serial != 1 or newest.previous:
        raise ManifestError("the first manifest does not begin a chain")
    _verify(newest, newest, links[0])
    for link in links[1:]:
        newest = verify_link(newest, link)
    demand_serial(newest, at_least)
    return newest


def demand_serial(newest: Manifest, at_least: int) -> None:
    """Raises ManifestError for an older chain than was seen."""
    if newest.serial < at_least:
        raise ManifestError(f"manifest {at_least} has been seen, and now the newest is {newest.serial}")


def verify_link(newest: Manifest, link: SignedManifest) -> Manifest:
    """The manifest that follows `newest`, if this link may. Raises ManifestError."""
    candidate = parse_manifest(link.body)
    check_follows(newest, candidate)
    _verify(newest, candidate, link)
    if candidate.under_quorum() != newest.under_quorum():
        _demand_quorum(newest, candidate, link)
    check_key_changes(newest.keys, candidate.keys)  # also where the token signed, or a quorum endorsed it
    return candidate


def check_follows(newest: Manifest, candidate: Manifest) -> None:
    """Serial and hash of the link before. Raises ManifestError."""
    if candidate.serial != newest.serial + 1:
        raise ManifestError(f"manifest {newest.serial + 1} is missing")
    if candidate.previous != manifest_hash(newest.encode()).hex():
        raise ManifestError(f"manifest {candidate.serial} does not follow manifest {newest.serial}")


def endorsers(previous: Manifest, body: bytes, endorsements: Sequence[Endorsement]) -> frozenset[UUID]:
    """The people of the *previous* manifest who signed this body: newcomers do not vote themselves in."""
    message = manifest_signing_input(body)
    keys = {
        (officer.officer_id, auth.authenticator_id): auth
        for officer in previous.officers
        if "approver" in officer.roles
        for auth in officer.authenticators
    }
    return frozenset(
        each.officer_id
        for each in endorsements
        if (key := keys.get((each.officer_id, each.authenticator_id))) is not None
        and _is_officers(key, each.signature, message)
    )


def break_glass_endorsement(signature: bytes) -> Endorsement:
    """How the break-glass key's signature stands in a link."""
    return Endorsement(BREAK_GLASS_ID, BREAK_GLASS_ID, signature.hex())


def is_endorsed_by_break_glass(previous: Manifest, body: bytes, endorsements: Sequence[Endorsement]) -> bool:
    """Whether the break-glass key that the previous manifest names signed this body."""
    key, message = previous.break_glass.public_key, manifest_signing_input(body)
    return any(
        _is_signed(key, each.signature, message)
        for each in endorsements
        if each.officer_id == BREAK_GLASS_ID == each.authenticator_id
    )


def check_break_glass(previous: Manifest, candidate: Manifest) -> None:
    """Whether break-glass may make this change; the rules stand above. Raises ManifestError."""
    rest = msgspec.structs.replace(
        candidate,
        serial=previous.serial,
        previous=previous.previous,
        created_at=previous.created_at,
        officers=previous.officers,
        quorum=previous.quorum,
        break_glass=previous.break_glass,
        tokens=msgspec.structs.replace(candidate.tokens, escrow=previous.tokens.escrow),
    )
    if rest != previous:
        raise ManifestError(
            f"manifest {candidate.serial} changes more by break-glass than officers, quorum and escrow token"
        )
    if candidate.break_glass.public_key == previous.break_glass.public_key:
        raise ManifestError(f"manifest {candidate.serial} keeps the break-glass key that was used for it")


def _verify(signer: Manifest, candidate: Manifest, link: SignedManifest) -> None:
    """The previous manifest's key signs; so a new manifest key is signed in by the old one."""
    message = manifest_signing_input(link.body)
    if not _is_signed(signer.manifest_key.public_key, link.signature.hex(), message):
        raise ManifestError(f"the signature of manifest {candidate.serial} is wrong")


def _demand_quorum(previous: Manifest, candidate: Manifest, link: SignedManifest) -> None:
    people = endorsers(previous, link.body, link.endorsements)
    need = max(previous.quorum.base, MIN_QUORUM)
    if len(people) >= need:
        return
    if is_endorsed_by_break_glass(previous, link.body, link.endorsements):
        check_break_glass(previous, candidate)
        return
    raise ManifestError(
        f"manifest {candidate.serial} changes officers, quorum or escrow keys with {len(people)} of "
        f"{need} officers' signatures"
    )


def _is_officers(authenticator: Authenticator, signature: str, message: bytes) -> bool:
    try:
        verify_signature(authenticator, bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_signed(public_key: str, signature: str, message: bytes) -> bool:
    try:
        verify_ed25519(bytes.fromhex(public_key), bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True

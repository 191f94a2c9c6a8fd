"""Believe a chain of manifests, or refuse it: signatures, hashes, the pin and the highest serial seen.

A superuser of the keys database can write any row; a root on its host any file. What neither can
do is sign with the online token's manifest key or in the officers' names, nor change what is pinned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.domain.errors import ManifestError
from vault_service.domain.manifest import (
    MIN_QUORUM,
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
        candidate = parse_manifest(link.body)
        if candidate.serial != newest.serial + 1:
            raise ManifestError(f"manifest {newest.serial + 1} is missing")
        if candidate.previous != manifest_hash(newest.encode()).hex():
            raise ManifestError(f"manifest {candidate.serial} does not follow manifest {newest.serial}")
        _verify(newest, candidate, link)
        if candidate.under_quorum() != newest.under_quorum():
            _demand_quorum(newest, candidate, link)
        newest = candidate
    if newest.serial < at_least:
        raise ManifestError(f"manifest {at_least} has been seen, and now the newest is {newest.serial}")
    return newest


def _verify(signer: Manifest, candidate: Manifest, link: SignedManifest) -> None:
    """The previous manifest's key signs; so a new manifest key is signed in by the old one."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.manifest_key.public_key))
        key.verify(link.signature, manifest_signing_input(link.body))
    except (InvalidSignature, ValueError):
        raise ManifestError(f"the signature of manifest {candidate.serial} is wrong") from None


def _demand_quorum(previous: Manifest, candidate: Manifest, link: SignedManifest) -> None:
    """Distinct officers of the *previous* manifest must have signed: newcomers do not vote themselves in."""
    message = manifest_signing_input(link.body)
    keys = {
        (officer.officer_id, auth.authenticator_id): auth.public_key
        for officer in previous.officers
        if "approver" in officer.roles
        for auth in officer.authenticators
    }
    people: set[UUID] = set()
    for endorsement in link.endorsements:
        key = keys.get((endorsement.officer_id, endorsement.authenticator_id))
        if key is None:
            continue
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            public.verify(bytes.fromhex(endorsement.signature), message)
        except (InvalidSignature, ValueError):
            continue
        people.add(endorsement.officer_id)
    need = max(previous.quorum.base, MIN_QUORUM)
    if len(people) < need:
        raise ManifestError(
            f"manifest {candidate.serial} changes officers, quorum or escrow keys with {len(people)} of "
            f"{need} officers' signatures"
        )

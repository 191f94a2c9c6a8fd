"""New escrow keys that a quorum made current, and somebody who plays the ceremony that seals wraps to one."""

from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.kms.casework import CaseFile, ceremony_in, open_case
from tests.kms.chains import endorse, follow, officer, put, signed_by
from tests.rig.officers import Ceremony, manifest_of
from tests.rig.people import Person
from tests.rig.vault import Vault
from vault_service.crypto.hpke import seal_to
from vault_service.domain.contexts import EscrowContext
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.protocol.rotation_messages import EscrowRewrapped, NewEscrowWrap, RewrapEscrow
from vault_service.kms.service import KeyService


def new_escrow_key(vault: Vault, service: KeyService, point: bytes | None = None) -> PublicKeyGeneration:
    """Current from now on, by ana's and bob's signatures; the one before is retiring.

    `point`: of a key that the escrow token has under the next number; none that a token has, if left out.
    """
    before = manifest_of(vault)
    older = tuple(
        msgspec.structs.replace(key, state="retiring") if key.state == "current" else key
        for key in before.keys.escrow
    )
    number = max(key.gen for key in older) + 1
    new = PublicKeyGeneration(number, "current", (point or somebodys_point()).hex())
    after = follow(before, keys=msgspec.structs.replace(before.keys, escrow=(*older, new)))
    put(vault, signed_by(service, after, *(endorse(officer(vault, name), after) for name in ("ana", "bob"))))
    assert service.manifests.fresh().escrow_key == new
    return new


def somebodys_point() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Rotating:
    """A case that two officers approved, and a ceremony for it."""

    file: CaseFile
    ceremony: Ceremony
    target: PublicKeyGeneration
    deks: dict[UserId, bytes]

    @classmethod
    def begun(cls, vault: Vault, service: KeyService, people: list[Person], *names: str) -> "Rotating":
        target = new_escrow_key(vault, service)
        deks = {person.user: person.unlock().dek for person in people}
        file = open_case(vault, service, "escrow-rotation")
        file.approve(*(names or ("ana", "bob")))
        ceremony = ceremony_in(service)
        ceremony.open(file.case.case_id)
        return cls(file, ceremony, target, deks)

    def peel(self, limit: int = 500) -> tuple[PeeledWrap, ...]:
        return self.ceremony.peel(self.file.case.case_id, limit=limit).wraps

    def resealed(self, peeled: PeeledWrap) -> NewEscrowWrap:
        """As the ceremony would; which DEK it was it is told by the user."""
        point, user, dek = bytes.fromhex(self.target.public_key), UserId(peeled.user_id), DekId(peeled.dek_id)
        place = EscrowContext(TenantId(peeled.tenant), user, dek, self.target.gen, point)
        return NewEscrowWrap(user, dek, seal_to(point, place.encode(), self.deks.get(user, bytes(32))))

    def store(self, *wraps: NewEscrowWrap, failed: tuple[UserId, ...] = ()) -> EscrowRewrapped:
        request = RewrapEscrow(
            self.ceremony.ceremony_id, self.file.case.case_id, len(wraps) + len(failed), wraps, failed
        )
        stored = self.ceremony.call(request, EscrowRewrapped)
        assert isinstance(stored, EscrowRewrapped)
        return stored

    def rest(self) -> EscrowRewrapped:
        """Everything that is left."""
        return self.store(*map(self.resealed, self.peel()))

    def complete(self) -> None:
        self.ceremony.complete(self.file.case.case_id, digest=b"r" * 32)

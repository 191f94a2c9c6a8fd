"""What a ceremony does with each case once the escrow token is open: one function for each kind.

Each begins with `peel`, by which the case is this ceremony's, and ends with `complete`, by which it is
executed, once. A case that fails in between is given back when the ceremony is closed; the others go on.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from vault_service.ceremony import drill
from vault_service.ceremony.believed import BelievedCase, demand_subject
from vault_service.ceremony.disclose import disclose
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.pin_open import Opened
from vault_service.ceremony.rewrap import Rewrapping
from vault_service.ceremony.wraps import EscrowWraps
from vault_service.crypto.hpke import seal_to
from vault_service.domain.contexts import RegainContext
from vault_service.domain.errors import (
    ConcurrentChangeError,
    KmsUnavailableError,
    SealBrokenError,
    VaultError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.manifest import Manifest, PublicKeyGeneration, parse_manifest
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.domain.rotation_errors import UnreadableWrapsError
from vault_service.kms.protocol.recovery_messages import CompleteCase, DoneCase, Peel, Peeled, PeeledWrap
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.proposed_manifests import find_proposed

# What this process finds wrong by itself; refusals of the key service stand in the trail already.
_OWN_REFUSALS = (CaseRefusedError, SealBrokenError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    case: CaseId
    kind: str
    error: VaultError | None = None
    says: str = ""  # for whoever runs the ceremony: a path, a count; never a secret

    @property
    def executed(self) -> bool:
        """Also where some wraps did not open, which is an error all the same."""
        return self.error is None or isinstance(self.error, UnreadableWrapsError)


class Executor:
    """One open token, one ceremony, its cases one after the other."""

    def __init__(
        self, parts: CeremonyParts, ceremony: CeremonyId, opened: Opened, manifest: Manifest
    ) -> None:
        self._parts = parts
        self._ceremony = ceremony
        self._opened = opened
        self._token = opened.token
        self._manifest = manifest
        self._wraps = EscrowWraps(opened.token, manifest.keys.escrow)

    def run(self, believed: BelievedCase) -> Outcome:
        """Never raises for what is the case's own fault: the other cases are not."""
        case = believed.case
        by_kind = {
            "regain": self._regain,
            "disclosure": self._disclose,
            "erasure": self._without_wraps,
            "officer-change": self._change_officers,
            "key-ceremony": self._create_key,
            "drill": self._drill,
            "escrow-rotation": self._rotate,
        }
        try:
            says = by_kind[case.kind](believed)
        except VaultError as error:
            self._note_refusal(believed, error)
            return Outcome(CaseId(case.case_id), case.kind, error)
        return Outcome(CaseId(case.case_id), case.kind, says=says)

    def _regain(self, believed: BelievedCase) -> str:
        case, peeled = believed.case, self._peel_subject(believed)
        if case.target_pk is None:
            raise CaseRefusedError("a regain without a target key")
        dek = self._wraps.open(peeled)
        place = RegainContext(dek.tenant, dek.user, dek.dek, peeled.epoch, believed.digest)
        sealed = seal_to(bytes.fromhex(case.target_pk), place.encode(), dek.key)
        self._complete(believed, sealed_dek=sealed)
        return ""

    def _disclose(self, believed: BelievedCase) -> str:
        records, folder = self._parts.records, self._parts.disclosures_dir
        if records is None or folder is None:
            raise CaseRefusedError("no disclosure is made on this host")
        keys = self._wraps.open_with_older(self._peel_subject(believed))
        made = disclose(believed.case, believed.digest, keys, records, folder, self._parts.now())
        self._complete(believed, digest=made.digest)
        return str(made.path)

    def _without_wraps(self, believed: BelievedCase) -> str:
        self._peel(believed)
        self._complete(believed)
        return ""

    def _change_officers(self, believed: BelievedCase) -> str:
        """A new escrow key must be this token's: officers endorse its digits, and one of them typed these."""
        with self._parts.db.connection() as conn:
            body = find_proposed(conn, CaseId(believed.case.case_id))
        if body is None or believed.case.scope.manifest != hashlib.sha256(body).hexdigest():
            raise CaseRefusedError("the proposed manifest is gone, or another one")
        known = {key.gen for key in self._manifest.keys.escrow}
        for key in parse_manifest(body).keys.escrow:
            if key.gen not in known:
                self._demand_held(key)
        return self._without_wraps(believed)

    def _demand_held(self, key: PublicKeyGeneration) -> None:
        """Whatever is sealed to a key that no token has, or somebody else's, is lost or somebody else's."""
        if not self._token.holds(f"escrow/{key.gen}", bytes.fromhex(key.public_key)):
            raise CaseRefusedError(f"the escrow token does not have the escrow key {key.gen} of the manifest")

    def _create_key(self, believed: BelievedCase) -> str:
        self._peel(believed)
        # Above whatever the manifest names and the token holds: a ceremony that died may have left a key,
        # and another one may have completed with it.
        known = max(key.gen for key in self._manifest.keys.escrow)
        label = self._token.free_label("escrow", known + 1)
        point = self._token.generate_escrow_key(label)
        self._complete(believed, digest=hashlib.sha256(point).digest(), public_key=point)
        return f"{label}: {point.hex()}"

    def _drill(self, believed: BelievedCase) -> str:
        report = drill.run_drill(self._parts, self._ceremony, believed, self._wraps)
        path, digest = report.save(self._parts.state_dir / "drills")
        self._complete(believed, digest=digest, failed=bool(report.failed))
        return f"{report.summary()}; report: {path}"

    def _rotate(self, believed: BelievedCase) -> str:
        """Until the key service finds nothing left but what does not open."""
        self._demand_held(self._manifest.escrow_key)
        work = Rewrapping(self._parts, self._ceremony, believed, self._opened, self._manifest)
        while True:
            report = work.run()
            path, digest = report.save(self._parts.state_dir / "rotations")
            try:
                self._complete(believed, digest=digest, failed=bool(report.failed))
            except ConcurrentChangeError:  # somebody wrote a wrap to an older escrow key meanwhile
                if not work.may_go_on:
                    raise
                continue
            if report.failed:
                raise UnreadableWrapsError(f"{report.summary()}; report: {path}")
            return f"{report.summary()}; report: {path}"

    def _peel_subject(self, believed: BelievedCase) -> PeeledWrap:
        wraps = self._peel(believed).wraps
        if len(wraps) != 1:
            raise CaseRefusedError(f"the key service handed out {len(wraps)} wraps for one subject")
        demand_subject(believed, wraps[0])
        return wraps[0]

    def _peel(self, believed: BelievedCase) -> Peeled:
        return self._parts.kms.call(Peel(self._ceremony, believed.case.case_id), Peeled)

    def _complete(
        self,
        believed: BelievedCase,
        *,
        sealed_dek: bytes | None = None,
        digest: bytes | None = None,
        failed: bool = False,
        public_key: bytes | None = None,
    ) -> None:
        case_id: UUID = believed.case.case_id
        request = CompleteCase(self._ceremony, case_id, sealed_dek, digest, failed, public_key)
        try:
            self._parts.kms.call(request, DoneCase)
        except KmsUnavailableError:  # perhaps it was done, and the answer got lost: the same request is safe
            self._parts.kms.call(request, DoneCase)

    def _note_refusal(self, believed: BelievedCase, error: VaultError) -> None:
        """What this process refuses by itself is evidence; what the key service refused is in its trail."""
        if not isinstance(error, _OWN_REFUSALS):
            return
        with self._parts.db.transaction() as conn:
            insert_event(
                conn,
                KeysEvent.CEREMONY_REFUSED,
                self._parts.now(),
                digest=believed.digest,
                case=CaseId(believed.case.case_id),
            )

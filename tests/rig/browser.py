"""What an officer's browser and the console do together, played: use cases, and a software passkey."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.rig.passkeys import SoftPasskey, seal_again
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import Decision
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import CeremonyId
from vault_service.kms.protocol.recovery_messages import DoneCase
from vault_service.recovery.acting import Acting, act_by_passkey, decided, decision_message
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.decide import (
    Person,
    demand_may_decide,
    endorsement_message,
    identified,
    prepare_identify,
    submit,
    veto_signed,
)
from vault_service.recovery.open_case import Wanted, open_prepared, prepare_open
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.release import HeldShare, Releases, Sealed, hand_in, shares_to_release
from vault_service.recovery.trust import trusted_chain


@dataclass
class Browser:
    """One officer at the console."""

    parts: RecoveryParts
    name: str
    passkey: SoftPasskey

    @property
    def acting(self) -> Acting:
        """As the newest manifest names the officer."""
        officers = trusted_chain(self.parts).newest.officers
        officer = next(each for each in officers if each.name == self.name)
        return act_by_passkey(self.parts, officer.officer_id, officer.authenticators[0].authenticator_id)

    def open(self, wanted: Wanted) -> ShownCase:
        prepared = prepare_open(self.parts, self.acting, wanted)
        signature = self.passkey.sign_message(prepared.message)
        return open_prepared(self.parts, self.acting, prepared, signature)

    def identify(self, shown: ShownCase, person: Person) -> bytes:
        """The first touch of a regain."""
        prepared = prepare_identify(self.parts, self.acting, shown, person)
        signature = self.passkey.sign_message(prepared.message)
        return identified(self.parts, self.acting, shown, person, prepared, signature)

    def decide(self, shown: ShownCase, decision: Decision, **how: object) -> SignedDecision:
        message = decision_message(self.acting, shown.digest, decision)
        return decided(self.acting, decision, self.passkey.sign_message(message, **how))

    def approve(self, shown: ShownCase, person: Person | None = None) -> Releases:
        """And release the share to the ceremony that waits for it, with the same touch."""
        demand_may_decide(self.parts, self.acting, shown, "approve")
        word = self.identify(shown, person) if person else None
        held = shares_to_release(self.parts, self.acting, shown.case_id)
        signed = replace(self.decide(shown, "approve"), identified=word)
        if shown.proposed is not None:
            message = endorsement_message(shown, self.acting.manifest)
            signed = replace(signed, endorsement=self.passkey.sign_message(message))
        submit(self.parts, self.acting, shown, signed)
        return hand_in(self.parts, self.acting, self.sealed_anew(held))

    def release(self) -> Releases:
        """To whatever waits."""
        held = shares_to_release(self.parts, self.acting, None)
        return hand_in(self.parts, self.acting, self.sealed_anew(held))

    def veto(self, shown: ShownCase) -> DoneCase:
        return veto_signed(self.parts, self.acting, shown, self.decide(shown, "veto"))

    def sealed_anew(self, held: Iterable[HeldShare]) -> list[Sealed]:
        """What share.js makes of them: of each ceremony and PIN, the first that opens."""
        key = self.passkey.unwrapped(self.acting.officer, self.parts.fingerprint)
        found: dict[tuple[CeremonyId, int], bytes] = {}
        for each in held:
            if (each.ceremony, each.pin_gen) in found:
                continue
            try:
                found[each.ceremony, each.pin_gen] = seal_again(
                    key, each.sealed, each.open_info, each.ephemeral_pk, each.release_info
                )
            except SealBrokenError:
                continue
        return [(ceremony, pin_gen, sealed) for (ceremony, pin_gen), sealed in found.items()]

"""What ceremonies say to the key service: the calls, and the flows with the events that they leave."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tests.kms.recoveries import NEW_PASSWORD, UNSIGNED, officer, sign_call
from tests.promises.every_call import Called, Somebody
from tests.promises.flows import Act, Flow, Life, flow
from tests.rig.officers import Ceremony, ceremony_of, decide, hand_in, officer_key, sealed_for
from tests.rig.vault import PASSWORD, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.case import CaseKind, CollectionScope, Scope, parse_case
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import CaseNotFoundError, QuorumNotMetError
from vault_service.kms.protocol.message_base import Answer, Done, Request
from vault_service.kms.protocol.messages import ANSWERS, Unlock, Unlocked
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CaseOpened,
    CloseCeremony,
    CompleteCase,
    Identified,
    Identify,
    OpenCase,
    OpenCeremony,
    Peel,
    RecoveryBegun,
)
from vault_service.settings import KmsClient as KmsClientSettings

DIGEST = bytes(32)
RECIPIENT = "age1rascwrd5af33st4r3240r8cvl8suqxkuxydcla3k8zj3ug6smdhqlyeg6j"
POINT = bytes.fromhex(  # the base point of P-256 (SEC 2, section 2.4.2)
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
SCOPES: dict[CaseKind, Scope] = {
    "drill": Scope(sample=1), "disclosure": Scope(collections=(CollectionScope("contact"),)),
}  # fmt: skip


def _ask(vault: Vault, caller: str, request: Request) -> Answer:
    with contextlib.closing(kms_client(KmsClientSettings(url=vault.socket(caller)))) as kms:
        return kms.call(request, ANSWERS[type(request)])


@dataclass(frozen=True)
class Work:
    """A case and a ceremony for it."""

    vault: Vault
    case: UUID
    body: bytes
    ceremony: Ceremony
    dek: bytes = b""

    def peel(self) -> "Work":
        self.ceremony.peel(self.case)
        return self

    def regain(self) -> None:
        (wrap,) = self.ceremony.peel(self.case).wraps
        self.ceremony.complete(self.case, sealed_dek=sealed_for(parse_case(self.body), wrap, self.dek))

    def close(self) -> None:
        self.ceremony.call(CloseCeremony(self.ceremony.ceremony_id), Done)


def by_officers(vault: Vault, kind: CaseKind, user: UUID | None = None, *, approved: bool = True) -> Work:
    """Ana opens it, bob and cleo approve it, a ceremony begins."""
    request = OpenCase(
        new_uuid(), kind, "", UNSIGNED, user_id=user, scope=SCOPES.get(kind, Scope()),
        recipient=RECIPIENT if kind == "disclosure" else None,
    )  # fmt: skip
    opened = _ask(vault, "console", sign_call(officer(vault.home, "ana"), request))
    assert isinstance(opened, CaseOpened)
    if approved:
        decisions = (decide(officer_key(vault, name), opened.body) for name in ("bob", "cleo"))
        hand_in(vault, request.case_id, *decisions)
    ceremony = ceremony_of(vault)
    ceremony.open(request.case_id)
    return Work(vault, request.case_id, opened.body, ceremony)


def of_a_user(vault: Vault, login: str) -> Work:
    """A regain of somebody with the usual password: asked for, identified, approved; a ceremony begins."""
    unlocked = _ask(vault, "api", Unlock(vault.app_key, login, PASSWORD))
    begun = _ask(vault, "api", BeginRecovery(vault.app_key, new_uuid(), login, NEW_PASSWORD))
    assert isinstance(unlocked, Unlocked)
    assert isinstance(begun, RecoveryBegun)
    case = begun.case_id
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT body FROM cases WHERE case_id = %s", (case,)).fetchone()
    assert row is not None
    body = bytes(row[0])  # type: ignore[call-overload]  # bytea
    for name in ("ana", "bob"):
        request = Identify(case, login, begun.verification_phrase, UNSIGNED)
        answer = _ask(vault, "console", sign_call(officer(vault.home, name), request))
        assert isinstance(answer, Identified)
        hand_in(vault, case, decide(officer_key(vault, name), body, identified=answer.identified))
    ceremony = ceremony_of(vault)
    ceremony.open(case)
    return Work(vault, case, body, ceremony, unlocked.dek)


# --- calls

_works: dict[str, Work] = {}


def _drill(who: Somebody) -> None:
    _works[who.user] = by_officers(who.vault, "drill")


def _peeled_drill(who: Somebody) -> None:
    _works[who.user] = by_officers(who.vault, "drill").peel()


def _open_again(who: Somebody) -> OpenCeremony:
    work = _works[who.user]
    return OpenCeremony((work.case,), work.ceremony.ephemeral_pk, (1,), work.ceremony.token_serial)


CEREMONY_CALLS: dict[str, Called] = {
    "open_ceremony": Called("ceremony", _open_again, _drill),
    "peel": Called(
        "ceremony", lambda who: Peel(_works[who.user].ceremony.ceremony_id, _works[who.user].case), _drill
    ),
    "complete": Called(
        "ceremony",
        lambda who: CompleteCase(_works[who.user].ceremony.ceremony_id, _works[who.user].case, digest=DIGEST),
        _peeled_drill,
    ),
    "close_ceremony": Called(
        "ceremony", lambda who: CloseCeremony(_works[who.user].ceremony.ceremony_id), _drill
    ),
}


# --- flows


def _with(prepare: Callable[[Life], Work], act: Callable[[Work], object]) -> Callable[[Life], Act]:
    def begin(life: Life) -> Act:
        work = prepare(life)
        return lambda: act(work)

    return begin


def _case(kind: CaseKind, *, approved: bool = True, peeled: bool = False) -> Callable[[Life], Work]:
    def prepare(life: Life) -> Work:
        user = life.somebody().user if kind in ("erasure", "disclosure") else None
        work = by_officers(life.vault, kind, user, approved=approved)
        return work.peel() if peeled else work

    return prepare


def _regain(life: Life) -> Act:
    work = of_a_user(life.vault, life.somebody().login)
    (wrap,) = work.ceremony.peel(work.case).wraps
    sealed = sealed_for(parse_case(work.body), wrap, work.dek)
    return lambda: work.ceremony.complete(work.case, sealed_dek=sealed)


def _first_login(life: Life) -> Act:
    who = life.somebody()
    of_a_user(life.vault, who.login).regain()
    return lambda: who.sign_in(NEW_PASSWORD)


def _begin_for_nothing(life: Life) -> Act:
    return lambda: ceremony_of(life.vault).open(new_uuid())


CEREMONIES: dict[str, Flow] = {
    "a ceremony": flow(
        _with(_case("drill"), lambda work: ceremony_of(work.vault).open(work.case)), K.CEREMONY_OPENED
    ),
    "a ceremony for a case that there is not": flow(
        _begin_for_nothing, K.CEREMONY_REFUSED, refused=CaseNotFoundError
    ),
    "a ceremony that has done its work": flow(_with(_case("drill"), Work.close), K.CEREMONY_CLOSED),
    "a ceremony that gives up": flow(
        _with(_case("drill", peeled=True), Work.close), K.CEREMONY_CLOSED, K.CASE_REOPENED
    ),
    "peeling": flow(_with(_case("disclosure"), Work.peel), K.WRAPS_PEELED),
    "peeling what nobody approved": flow(
        _with(_case("drill", approved=False), Work.peel), K.PEEL_REFUSED, refused=QuorumNotMetError
    ),
    "access regained": flow(_regain, K.ACCESS_REGAINED),
    "the first login after that": flow(_first_login, K.REGAIN_COMPLETED, K.UNLOCKED, R.SESSION_OPENED),
    "an erasure by officers": flow(
        _with(_case("erasure", peeled=True), lambda work: work.ceremony.complete(work.case)),
        K.ERASED_BY_OFFICERS,
    ),
    "a disclosure": flow(
        _with(
            _case("disclosure", peeled=True), lambda work: work.ceremony.complete(work.case, digest=DIGEST)
        ),
        K.DATA_DISCLOSED,
    ),
    "a drill": flow(
        _with(_case("drill", peeled=True), lambda work: work.ceremony.complete(work.case, digest=DIGEST)),
        K.DRILL_PASSED,
    ),
    "a drill that found something": flow(
        _with(
            _case("drill", peeled=True),
            lambda work: work.ceremony.complete(work.case, digest=DIGEST, failed=True),
        ),
        K.DRILL_FAILED,
    ),
    "a new escrow key": flow(
        _with(
            _case("key-ceremony", peeled=True),
            lambda work: work.ceremony.complete(work.case, public_key=POINT),
        ),
        K.ESCROW_KEY_CREATED,
    ),
}

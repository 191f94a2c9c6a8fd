"""The flows of cases as the key service opens and ends them; see flows.py."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tests.dev.waiting import until
from tests.kms.recoveries import NEW_PASSWORD, UNSIGNED, decision, officer, sign_call
from tests.promises.ceremonies import CEREMONIES
from tests.promises.console_flows import CONSOLE_FLOWS
from tests.promises.escrow_rotation_calls import ESCROW_ROTATION_FLOWS
from tests.promises.flows import FLOWS as OTHER_FLOWS
from tests.promises.flows import Act, Flow, Life, Somebody, flow
from tests.promises.key_flows import KEY_FLOWS
from tests.promises.rotation_data_key_flows import DATA_KEY_FLOWS
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.case import Scope, parse_case
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseRefusedError,
    IdentificationRefusedError,
    OfficerRefusedError,
    TooManyCasesError,
)
from vault_service.kms.protocol.messages import ANSWERS, Answer, Request
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    FindUser,
    Identify,
    OpenCase,
    RecoveryBegun,
    RecoveryStatus,
    VetoCase,
)
from vault_service.settings import KmsClient as KmsClientSettings


def ask(life: Life, caller: str, request: Request) -> Answer:
    with contextlib.closing(kms_client(KmsClientSettings(url=life.vault.socket(caller)))) as kms:
        return kms.call(request, ANSWERS[type(request)])


def begin(life: Life, login: str) -> RecoveryBegun:
    answer = ask(life, "api", BeginRecovery(life.vault.app_key, new_uuid(), login, NEW_PASSWORD))
    assert isinstance(answer, RecoveryBegun)
    return answer


@dataclass(frozen=True)
class Case:
    """Somebody's regain."""

    who: Somebody
    begun: RecoveryBegun

    @property
    def life(self) -> Life:
        return self.who.life

    def identify(self, phrase: str) -> Answer:
        request = Identify(self.begun.case_id, self.who.login, phrase, UNSIGNED)
        return ask(self.life, "console", sign_call(officer(self.life.vault.home, "ana"), request))

    def veto(self, *, really: bool = True) -> Answer:
        with self.life.vault.keys.superuser() as conn:
            row = conn.execute("SELECT body FROM cases WHERE case_id = %s", (self.begun.case_id,)).fetchone()
        assert row is not None
        case = parse_case(bytes(row[0]))  # type: ignore[call-overload]  # bytea
        signed = decision(officer(self.life.vault.home, "bob"), case, "veto" if really else "approve")
        veto = VetoCase(case.case_id, signed.officer_id, signed.authenticator_id, "veto", signed.signature)
        return ask(self.life, "console", veto)


def _of_case(act: Callable[[Case], object]) -> Callable[[Life], Act]:
    def prepare(life: Life) -> Act:
        who = life.somebody()
        case = Case(who, begin(life, who.login))
        return lambda: act(case)

    return prepare


def _begin(life: Life) -> Act:
    who = life.somebody()
    return lambda: begin(life, who.login)


def _one_too_many(life: Life) -> Act:
    who = life.somebody()
    for _ in range(3):
        begin(life, who.login)
    return lambda: begin(life, who.login)


def _altered(life: Life) -> Act:
    who = life.somebody()
    case: UUID = begin(life, who.login).case_id
    life.alter("keys", "UPDATE cases SET mac = sha256(mac) WHERE user_id = %(user)s", who.user)
    return lambda: ask(life, "api", RecoveryStatus(life.vault.app_key, case))


def _drill(life: Life) -> Act:
    request = OpenCase(new_uuid(), "drill", "", UNSIGNED, scope=Scope(sample=1))
    return lambda: ask(life, "console", sign_call(officer(life.vault.home, "ana"), request))


def _find(life: Life, *, signed: bool = True) -> Act:
    who = life.somebody()
    request = FindUser("default", who.login, "asked on the phone", UNSIGNED)
    key = officer(life.vault.home, "cleo")
    return lambda: ask(life, "console", sign_call(key, request) if signed else request)


CASES: dict[str, Flow] = {
    "asking for access again": flow(_begin, K.CASE_OPENED),
    "asking too often": flow(_one_too_many, K.CASE_REFUSED, refused=TooManyCasesError),
    "an officer opening a case": flow(_drill, K.CASE_OPENED),
    "a case that was altered": flow(_altered, K.CASE_INTEGRITY_FAILED, refused=CaseRefusedError),
    "a login and a phrase typed right": flow(
        _of_case(lambda case: case.identify(case.begun.verification_phrase)), K.OFFICER_IDENTIFIED_SUBJECT
    ),
    "a phrase typed wrong": flow(
        _of_case(lambda case: case.identify("some other words")), K.IDENTIFICATION_REFUSED,
        refused=IdentificationRefusedError,
    ),
    "a veto": flow(_of_case(lambda case: case.veto()), K.CASE_VETOED),
    "a veto that nobody signed": flow(
        _of_case(lambda case: case.veto(really=False)), K.APPROVAL_REFUSED, refused=ApprovalRefusedError
    ),
    "signing in while a case is open": flow(
        _of_case(lambda case: case.who.sign_in()), K.UNLOCKED, K.CASE_CANCELLED, R.SESSION_OPENED
    ),
    "looking a user up": flow(_find, K.USER_LOOKED_UP),
    "a call that no officer signed": flow(
        lambda life: _find(life, signed=False), K.OFFICER_REFUSED, refused=OfficerRefusedError
    ),
}  # fmt: skip

FLOWS: dict[str, Flow] = (
    OTHER_FLOWS | CASES | CEREMONIES | CONSOLE_FLOWS | DATA_KEY_FLOWS | KEY_FLOWS | ESCROW_ROTATION_FLOWS
)
"""All flows there are."""


def expire(life: Life) -> None:
    """By the key service's own task: nobody decided in time."""
    case = begin(life, f"canary-late-{new_uuid().hex[-6:]}@example.org").case_id
    with life.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET expires_at = now() WHERE case_id = %s", (case,))
        query = "SELECT 1 FROM cases WHERE case_id = %s AND state = 'expired'"
        until(lambda: conn.execute(query, (case,)).fetchone() is not None)

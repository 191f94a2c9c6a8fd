"""The calls of a recovery, with what each needs to be there before; and all calls of the key service."""

from dataclasses import dataclass
from uuid import UUID

from tests.kms.recoveries import UNSIGNED, decision, officer, sign_call
from tests.promises.ceremonies import CEREMONY_CALLS
from tests.promises.escrow_rotation_calls import ESCROW_ROTATION_CALLS
from tests.promises.every_call import KMS_CALLS as OTHER_CALLS
from tests.promises.every_call import KMS_SILENT as OTHER_SILENT
from tests.promises.every_call import NEW_PASSWORD, Called, Somebody, new_login
from tests.promises.key_calls import KEY_CALLS, KEY_SILENT
from tests.promises.rewrap_calls import REWRAP_CALLS, REWRAP_SILENT
from tests.promises.rotation_calls import ROTATION_CALLS, ROTATION_SILENT
from tests.promises.rotation_data_key_flows import DATA_KEY_CALLS
from tests.rig.vault import PASSWORD
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.case import Scope, parse_case
from vault_service.domain.ids import new_uuid
from vault_service.kms.protocol.messages import ANSWERS, Answer, Request, Unlock, Unlocked
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CancelRecovery,
    FindUser,
    Identify,
    OpenCase,
    RecoveryBegun,
    RecoveryStatus,
    VetoCase,
)
from vault_service.settings import KmsClient as KmsClientSettings


@dataclass(frozen=True)
class Open:
    """A regain that somebody has asked for while signed in."""

    case: UUID
    phrase: str
    unlock: UUID


_open: dict[str, Open] = {}


def ask(who: Somebody, caller: str, request: Request) -> Answer:
    client = kms_client(KmsClientSettings(url=who.vault.socket(caller)))
    try:
        return client.call(request, ANSWERS[type(request)])
    finally:
        client.close()


def open_regain(who: Somebody) -> None:
    unlocked = ask(who, "api", Unlock(who.app_key, who.login, PASSWORD))
    begun = ask(who, "api", BeginRecovery(who.app_key, new_uuid(), who.login, NEW_PASSWORD))
    assert isinstance(unlocked, Unlocked)
    assert isinstance(begun, RecoveryBegun)
    _open[who.user] = Open(begun.case_id, begun.verification_phrase, unlocked.unlock_id)


def _open_case(who: Somebody) -> OpenCase:
    request = OpenCase(new_uuid(), "drill", "", UNSIGNED, scope=Scope(sample=1))
    return sign_call(officer(who.vault.home, "ana"), request)


def _identify(who: Somebody) -> Identify:
    case = _open[who.user]
    return sign_call(officer(who.vault.home, "ana"), Identify(case.case, who.login, case.phrase, UNSIGNED))


def _find_user(who: Somebody) -> FindUser:
    return sign_call(
        officer(who.vault.home, "bob"), FindUser("default", who.login, "asked on the phone", UNSIGNED)
    )


def _veto(who: Somebody) -> VetoCase:
    case = _open[who.user].case
    with who.vault.keys.superuser() as conn:
        row = conn.execute("SELECT body FROM cases WHERE case_id = %s", (case,)).fetchone()
    assert row is not None
    signed = decision(officer(who.vault.home, "cleo"), parse_case(bytes(row[0])), "veto")  # type: ignore[call-overload]  # bytea
    return VetoCase(case, signed.officer_id, signed.authenticator_id, "veto", signed.signature)


def _cancel(who: Somebody) -> CancelRecovery:
    case = _open[who.user]
    return CancelRecovery(case.case, UUID(who.user), case.unlock)


CASES: dict[str, Called] = {
    "begin_recovery": Called(
        "api", lambda who: BeginRecovery(who.app_key, new_uuid(), new_login(), NEW_PASSWORD)
    ),
    # Nothing is recorded; but whether a case is believed to be open is told by the trail.
    "recovery_status": Called(
        "api", lambda who: RecoveryStatus(who.app_key, _open[who.user].case), open_regain
    ),
    "cancel_recovery": Called("api", _cancel, open_regain),
    "open_case": Called("console", _open_case),
    "identify": Called("console", _identify, open_regain),
    "find_user": Called("console", _find_user),
    "veto_case": Called("console", _veto, open_regain),
}

KMS_CALLS: dict[str, Called] = {
    **CASES,
    **CEREMONY_CALLS,
    **DATA_KEY_CALLS,
    **ESCROW_ROTATION_CALLS,
    **KEY_CALLS,
    **REWRAP_CALLS,
    **ROTATION_CALLS,
    **OTHER_CALLS,
}
"""All that are recorded; the app is revoked last."""
KMS_SILENT: dict[str, Called] = {**REWRAP_SILENT, **KEY_SILENT, **ROTATION_SILENT, **OTHER_SILENT}

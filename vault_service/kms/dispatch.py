"""Which function answers which request; who may ask is written on the request itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from vault_service.domain.errors import (
    AppKeyRefusedError,
    AppKeysThrottledError,
    CallerRefusedError,
    InvalidInputError,
    VaultError,
)
from vault_service.kms import health
from vault_service.kms.protocol.messages import (
    ANSWERS,
    REQUESTS,
    AcceptRestore,
    Answer,
    ChangeLogin,
    ChangePassword,
    CreateApp,
    Enrol,
    Epoch,
    Erase,
    Health,
    ListApps,
    LogHead,
    Refusal,
    ReportSealed,
    Request,
    RevokeApp,
    RotateAppKey,
    SendEventsAgain,
    SignCheckpoint,
    Unlock,
)
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CancelRecovery,
    ChangesSince,
    CloseCeremony,
    CompleteCase,
    CreateRecoveryCode,
    FindUser,
    Identify,
    OpenCase,
    OpenCeremony,
    Peel,
    RecoveryStatus,
    RedeemRecoveryCode,
    SignManifest,
    VetoCase,
)
from vault_service.kms.protocol.rotation_messages import (
    CreateKey,
    DemandDataKeys,
    DestroyKey,
    MakeKeyCurrent,
    PauseRotation,
    ResumeRotation,
    RetireKey,
    StartRotation,
)
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.recovery.changes import changes_since
from vault_service.kms.recovery.complete import complete
from vault_service.kms.recovery.find_user import find_user
from vault_service.kms.recovery.identify import identify
from vault_service.kms.recovery.officer_cases import open_case, veto_case
from vault_service.kms.recovery.open_ceremony import close_ceremony, open_ceremony
from vault_service.kms.recovery.peel import peel
from vault_service.kms.recovery.recovery_status import cancel_recovery, recovery_status
from vault_service.kms.rotation.handlers import HANDLERS as ROTATION_HANDLERS
from vault_service.kms.rotation.handlers import ROLE_HANDLERS as ROTATION_ROLE_HANDLERS
from vault_service.kms.rotation.sign_manifest import sign_manifest
from vault_service.kms.sealing.accept_restore import accept_restore
from vault_service.kms.sealing.events_sent_again import send_events_again
from vault_service.kms.sealing.report_sealed import report_sealed
from vault_service.kms.sealing.sign_checkpoint import log_head, sign_checkpoint
from vault_service.kms.service import KeyService
from vault_service.kms.users import apps
from vault_service.kms.users.enrol import enrol
from vault_service.kms.users.erase import erase
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.password import change_password
from vault_service.kms.users.recovery_code import create_recovery_code, redeem_recovery_code
from vault_service.kms.users.unlock import unlock


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: which process of the service, and from where."""

    role: str
    peer: str  # the certificate's common name, or the user id on this machine


_log = structlog.get_logger("kms")

_HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    Enrol: enrol,
    Unlock: unlock,
    ChangePassword: change_password,
    ChangeLogin: change_login,
    Erase: erase,
    Epoch: health.epoch,
    CreateApp: apps.create_app,
    RotateAppKey: apps.rotate_app_key,
    RevokeApp: apps.revoke_app,
    ListApps: apps.list_apps,
    Health: health.health,
    LogHead: log_head,
    AcceptRestore: accept_restore,
    SendEventsAgain: send_events_again,
    OpenCeremony: open_ceremony,
    Peel: peel,
    CompleteCase: complete,
    CloseCeremony: close_ceremony,
    SignManifest: sign_manifest,
    ChangesSince: changes_since,
    CreateRecoveryCode: create_recovery_code,
    RedeemRecoveryCode: redeem_recovery_code,
    BeginRecovery: begin_recovery,
    RecoveryStatus: recovery_status,
    CancelRecovery: cancel_recovery,
    OpenCase: open_case,
    Identify: identify,
    FindUser: find_user,
    VetoCase: veto_case,
    **ROTATION_HANDLERS,
}
_ROLE_HANDLERS: dict[type[Request], Callable[[KeyService, str, Any], Answer]] = {
    SignCheckpoint: sign_checkpoint,
    ReportSealed: report_sealed,
    **ROTATION_ROLE_HANDLERS,
}
"""Where it depends on who asks what a request may be about: a worker speaks for its own side only, and makes
keys by its schedule only."""

if sorted([*_HANDLERS, *_ROLE_HANDLERS], key=repr) != sorted(ANSWERS, key=repr):
    raise RuntimeError("the handlers and the interface differ")

_TELL_WHO: frozenset[type[Request]] = frozenset({
    AcceptRestore, CreateApp, RotateAppKey, RevokeApp, CreateKey, MakeKeyCurrent, RetireKey, DestroyKey,
    StartRotation, PauseRotation, ResumeRotation, DemandDataKeys, SendEventsAgain,
})  # fmt: skip
"""What an operator or a schedule changes. The audit log says that it was done, and holds no name of anybody;
whose user id or certificate it was is said here in the service's log."""

_ALSO_WHEN_RESTORED: frozenset[type[Request]] = frozenset({Health, LogHead, AcceptRestore, ReportSealed})
"""What is answered although the keys database is older than what was signed: what puts it right."""


def answer(service: KeyService, caller: Caller, name: str, body: bytes) -> Answer:
    """Answer one request of one caller; every error becomes a Refusal."""
    host = f"{caller.role} {caller.peer}"
    try:
        kind = REQUESTS.get(name)
        if kind is None:
            raise InvalidInputError("request", "there is no such call in version 1")
        service.budgets.spend_host(host)
        if caller.role not in kind.callers:
            # No process of ours does that: somebody has one in their hands.
            _log.warning("kms.caller_refused", call=name, process=caller.role)
            raise CallerRefusedError(f"{caller.role} may not call {name}")
        try:
            request = msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The decoder's own words may quote what was sent.
            raise InvalidInputError("request", f"not a well-formed {name}") from None
        if kind not in _ALSO_WHEN_RESTORED:
            service.restored.demand()
        if kind in _ROLE_HANDLERS:
            done = _ROLE_HANDLERS[kind](service, caller.role, request)
        else:
            done = _HANDLERS[kind](service, request)
        if kind in _TELL_WHO:
            _log.info("kms.changed", call=name, origin=host)
        return done
    except (AppKeyRefusedError, AppKeysThrottledError) as error:
        service.budgets.give_back_host(host)
        return Refusal(error.code, error.detail, error.retry_after_s)
    except VaultError as error:
        return Refusal(error.code, error.detail, error.retry_after_s)
    except Exception as error:  # noqa: BLE001  # the border of the process: one caller's fault is one answer
        _log.error("kms.failed", call=name, error=type(error).__name__, where=_where(error))
        return Refusal(VaultError.code, "the key service failed; see its log")


def _where(error: BaseException) -> str:
    """The innermost line, and never a value of a variable."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""

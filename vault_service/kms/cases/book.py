"""Cases as the key service opens and believes them: under a MAC that only the online token can make.

Whoever can write to the keys database can put rows into it. A case counts only when its bytes are
canonical, the columns beside them say the same, and the MAC is the token's: not one of them may be edited.
"""

import hmac
from collections.abc import Callable, Iterator
from uuid import UUID

from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import (
    Case,
    case_hash,
    case_mac_input,
    decoy_mac_input,
    from_case_time,
    identified_input,
    parse_case,
)
from vault_service.domain.case_states import FINAL
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, AppId, CaseId, UserId
from vault_service.domain.recovery_errors import ApprovalRefusedError, CaseRefusedError
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, find_case
from vault_service.storage.keys.census import CaseMac, Identified
from vault_service.storage.keys.events import has_ended, was_opened


def seal_case(service: KeyService, case: Case, *, decoy: bool = False) -> tuple[bytes, bytes]:
    """The canonical bytes and their MAC (32 bytes): one token call. Raises TokenUnavailableError."""
    body = case.encode()
    return body, service.keyring.case_mac(_current_gen(service), _mac_input(body, decoy=decoy))


def case_row(case: Case, body: bytes, mac: bytes, *, decoy: bool = False) -> CaseRow:
    """A new case as it is stored: the columns repeat what the bytes say."""
    user = None if case.user_id is None else UserId(case.user_id)
    index = None if case.login_index is None else bytes.fromhex(case.login_index)
    app = None if case.app_id is None else AppId(case.app_id)
    return CaseRow(
        case=CaseId(case.case_id), kind=case.kind, user=user, login_index=index, app=app, body=body, mac=mac,
        state="open", decoy=decoy, opened_at=from_case_time(case.opened_at),
        not_before=from_case_time(case.not_before), expires_at=from_case_time(case.expires_at),
        waited_s=0.0, wrong_identifications=0, ceremony=None, result=None, closed_at=None,
    )  # fmt: skip


def genuine(service: KeyService, row: CaseRow) -> Case:
    """The case of a row that this key service wrote and that nobody edited since.

    `row.decoy` is covered by the MAC too, so that a decoy cannot be made a case or the other way round.
    A case whose end is in the trail is not believed to be open again. What else changes in a case's life
    (how long it has waited, wrong identifications) is judged elsewhere.
    Raises CaseRefusedError, with its event committed before; TokenUnavailableError.
    """
    try:
        case = _believed(service, row)
    except CaseRefusedError:
        service.record(
            KeysEvent.CASE_INTEGRITY_FAILED,
            user=row.user or NOBODY,
            case=row.case,
            digest=case_hash(row.body),
        )
        raise
    return case


def identified_mac(service: KeyService, case: Case, officer: UUID) -> bytes:
    """What an officer gets who has typed login and phrase of a regain right (32 bytes); one token call."""
    return service.keyring.case_mac(
        _current_gen(service), identified_input(case_hash(case.encode()), officer)
    )


def identified_check(service: KeyService, case: Case) -> Callable[[SignedDecision], None]:
    """Whether an approval has the key service's word that its officer was told this regain's login and
    phrase; otherwise it raises ApprovalRefusedError.

    Some token calls for each officer, however many rows there are in that officer's name.
    """
    known: dict[UUID, tuple[bytes, ...]] = {}

    def check(signed: SignedDecision) -> None:
        if signed.identified is None:
            raise ApprovalRefusedError("the key service has not seen this officer identify the person")
        if signed.officer_id not in known:
            message = identified_input(case_hash(case.encode()), signed.officer_id)
            known[signed.officer_id] = tuple(_macs(service, message))
        if not any(hmac.compare_digest(signed.identified, mac) for mac in known[signed.officer_id]):
            raise ApprovalRefusedError("the key service has not seen this officer identify the person so")

    return check


def is_mac_under(service: KeyService, gen: int, row: CaseMac) -> bool:
    """Whether this generation of the case key authenticated it; one token call."""
    mac = service.keyring.case_mac(gen, _mac_input(row.body, decoy=row.decoy))
    return hmac.compare_digest(mac, row.mac)


def is_identified_under(service: KeyService, gen: int, row: Identified) -> bool:
    """The same for who was identified for a case."""
    mac = service.keyring.case_mac(gen, identified_input(case_hash(row.body), row.officer))
    return hmac.compare_digest(mac, row.mac)


def generation_of(service: KeyService, case: Case) -> int:
    """Which generation of the case key a genuine case is under: the same as long as it lasts.

    Raises CaseRefusedError.
    """
    with service.db.connection() as conn:
        row = find_case(conn, CaseId(case.case_id))
    if row is not None:
        for gen in _live_gens(service):
            if is_mac_under(service, gen, CaseMac(row.case, row.body, row.mac, row.decoy)):
                return gen
    raise CaseRefusedError("the key service did not open this case")


def _believed(service: KeyService, row: CaseRow) -> Case:
    case = parse_case(row.body)
    message = _mac_input(row.body, decoy=row.decoy)
    if not _is_mac(service, message, row.mac):
        service.manifests.look()  # another key service may have opened it under a key that came just now
        if not _is_mac(service, message, row.mac) and not _is_over_and_told(service, row):
            raise CaseRefusedError("the key service did not open this case")
    said = case_row(case, row.body, row.mac, decoy=row.decoy)
    columns = ("case", "kind", "user", "login_index", "app", "opened_at", "not_before", "expires_at")
    if edited := [name for name in columns if getattr(row, name) != getattr(said, name)]:
        raise CaseRefusedError(f"beside the case other things are stored than in it: {', '.join(edited)}")
    if row.state not in FINAL and _was_reopened(service, row.case):
        raise CaseRefusedError("the trail tells how this case ended, and it is open again")
    return case


def _was_reopened(service: KeyService, case: CaseId) -> bool:
    """An end and its event are one transaction: whoever sees the event sees the end, unless it was edited."""
    with service.db.connection() as conn:
        if not has_ended(conn, case):
            return False
        now = find_case(conn, case)
    return now is not None and now.state not in FINAL


def _is_over_and_told(service: KeyService, row: CaseRow) -> bool:
    """A case that ended may outlive the key that it was authenticated with: then the trail's word counts.

    It tells the hash of what was opened, and that this ended; no more is to be done about it than to say so.
    """
    given_up = any(key.state == "destroyed" for key in service.manifests.current().keys.case)
    if not given_up or row.state not in FINAL:
        return False
    with service.db.connection() as conn:
        return was_opened(conn, row.case, case_hash(row.body)) and has_ended(conn, row.case)


def _is_mac(service: KeyService, message: bytes, mac: bytes) -> bool:
    return any(hmac.compare_digest(each, mac) for each in _macs(service, message))


def _macs(service: KeyService, message: bytes) -> Iterator[bytes]:
    """Under the generation that was current when it was made: whichever it was, the newest first."""
    for gen in _live_gens(service):
        yield service.keyring.case_mac(gen, message)


def _live_gens(service: KeyService) -> list[int]:
    """Those that a case can have been made with, the newest first."""
    keys = service.manifests.current().keys.case
    return sorted((key.gen for key in keys if key.state in {"current", "retiring"}), reverse=True)


def _mac_input(body: bytes, *, decoy: bool) -> bytes:
    digest = case_hash(body)
    return decoy_mac_input(digest) if decoy else case_mac_input(digest)


def _current_gen(service: KeyService) -> int:
    return service.manifests.current().case_gen

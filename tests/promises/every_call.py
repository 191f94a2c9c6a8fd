"""One request for every route and each call of the key service, with the trails that it is recorded in."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import httpx

from tests.rig.officers import manifest_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import new_uuid
from vault_service.domain.logs import LogName
from vault_service.kms.protocol.messages import (
    ANSWERS,
    AcceptRestore,
    ChangeLogin,
    ChangePassword,
    CheckpointSigned,
    CreateApp,
    Enrol,
    Epoch,
    Erase,
    Health,
    ListApps,
    LogHead,
    LogHeadIs,
    ReportSealed,
    Request,
    RevokeApp,
    RotateAppKey,
    SendEventsAgain,
    SignCheckpoint,
    Unlock,
)
from vault_service.kms.protocol.recovery_messages import (
    ChangesSince,
    CreateRecoveryCode,
    RedeemRecoveryCode,
    SignManifest,
)
from vault_service.kms.protocol.rotation_messages import CountOldCosts, OthersInUse
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.tlog.merkle import EMPTY_ROOT

NEW_PASSWORD = "nine lanterns behind the old mill"
NAME = "Quetzal Canary Silva"
RECORD = {"collection": "contact", "fields": {"full_name": NAME}}
_AT_ONCE = 6
_PATIENCE_S = 60.0  # how long the bound of 2 s may take on a machine that is busy with other tests
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Somebody:
    """A user with a session and a record, and somebody who has a one-time password only."""

    vault: Vault
    http: httpx.Client
    login: str
    user: str
    token: str
    record: str
    newcomer: str
    one_time: str
    code: str  # a recovery code
    case: str = ""  # a recovery, open, where one is needed: signing in would cancel it

    def ask(self, method: str, path: str, bearer: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer or self.token}"}
        return self.http.request(method, path, headers=headers, **more)

    @property
    def app_key(self) -> str:
        return self.vault.app_key


def new_login() -> str:
    return f"canary-everywhere-{next(_numbers)}-{new_uuid().hex[-6:]}@example.org"


def open_http(vault: Vault) -> httpx.Client:
    return httpx.Client(base_url=vault.api_url, timeout=_PATIENCE_S, trust_env=False)


def somebody(vault: Vault, http: httpx.Client) -> Somebody:
    login, app = new_login(), {"Authorization": f"Bearer {vault.app_key}"}

    def post(path: str, headers: Mapping[str, str], body: Mapping[str, object]) -> dict[str, Any]:
        answer = http.post(path, json=body, headers=headers).raise_for_status()
        return dict(answer.json())

    user = post("/v1/users", app, {"login": login, "password": PASSWORD})["user_id"]
    token = post("/v1/sessions", app, {"login": login, "password": PASSWORD})["token"]
    record = post("/v1/records", {"Authorization": f"Bearer {token}"}, RECORD)["record_id"]
    newcomer = post("/v1/users", app, {"login": new_login()})
    code = post("/v1/me/recovery-code", {"Authorization": f"Bearer {token}"}, {"password": PASSWORD})
    return Somebody(
        vault, http, login, user, token, record, newcomer["user_id"], newcomer["one_time_password"],
        code["recovery_code"],
    )  # fmt: skip


def people_of(vault: Vault, number: int) -> list[Somebody]:
    """That many, with one connection pool of their own."""
    http = open_http(vault)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda _: somebody(vault, http), range(number)))


def people_for(vault: Vault, asked: Iterable[str]) -> list[Somebody]:
    """One for each route, with what it needs."""
    names = list(asked)
    people = people_of(vault, len(names))
    return [
        replace(who, case=_open_case(who)) if name in NEED_A_CASE else who
        for name, who in zip(names, people, strict=True)
    ]


def _open_case(who: Somebody) -> str:
    body = {"login": who.login, "new_password": NEW_PASSWORD}
    begun = who.ask("POST", "/v1/recoveries", who.app_key, json=body).raise_for_status()
    return str(begun.json()["case_id"])


class Asked(NamedTuple):
    """A request, and the trails without which it must be refused."""

    trails: frozenset[str]
    send: Callable[[Somebody], httpx.Response]


def _asked(trails: str, send: Callable[[Somebody], httpx.Response]) -> Asked:
    return Asked(frozenset(trails.split()), send)


def _of_records(method: str, path: str, **more: Any) -> Asked:
    return _asked("records", lambda who: who.ask(method, path.format(who=who), **more))


ROUTES: dict[str, Asked] = {
    "sign_up": _asked("keys records", lambda who: who.ask(
        "POST", "/v1/users", who.app_key, json={"login": new_login(), "password": PASSWORD})),
    "redeem_one_time_password": _asked("keys records", lambda who: who.ask(
        "POST", f"/v1/users/{who.newcomer}/password", who.app_key,
        json={"token": who.one_time, "new_password": NEW_PASSWORD})),
    "sign_in": _asked("keys records", lambda who: who.ask(
        "POST", "/v1/sessions", who.app_key, json={"login": who.login, "password": PASSWORD})),
    "change_login": _asked("keys records", lambda who: who.ask(
        "PUT", "/v1/me/login", json={"password": PASSWORD, "new_login": new_login()})),
    "change_password": _asked("keys records", lambda who: who.ask(
        "PUT", "/v1/me/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD})),
    "change_data_key": _asked("keys records", lambda who: who.ask(
        "POST", "/v1/me/data-key", json={"password": PASSWORD})),
    "continue_data_key": _of_records("POST", "/v1/me/data-key/continue"),
    "erase": _asked("keys records", lambda who: who.ask("DELETE", "/v1/me", json={"password": PASSWORD})),
    "begin_recovery": _asked("keys", lambda who: who.ask(
        "POST", "/v1/recoveries", who.app_key, json={"login": new_login(), "new_password": NEW_PASSWORD})),
    "cancel_recovery": _asked("keys", lambda who: who.ask("DELETE", f"/v1/recoveries/{who.case}")),
    "create_recovery_code": _asked("keys", lambda who: who.ask(
        "POST", "/v1/me/recovery-code", json={"password": PASSWORD})),
    "redeem_recovery_code": _asked("keys records", lambda who: who.ask(
        "POST", "/v1/recoveries/code", who.app_key,
        json={"login": who.login, "recovery_code": who.code, "new_password": NEW_PASSWORD})),
    "end_session": _asked("records", lambda who: who.ask("DELETE", f"/v1/sessions/{session_of(who)}")),
    "sign_out": _of_records("DELETE", "/v1/sessions/current"),
    "sign_out_everywhere": _of_records("DELETE", "/v1/sessions"),
    "accesses": _of_records("GET", "/v1/me/accesses"),
    "receipts": _of_records("GET", "/v1/me/receipts"),
    "export": _of_records("GET", "/v1/me/export"),
    "create_record": _of_records("POST", "/v1/records", json=RECORD),
    "list_records": _of_records("GET", "/v1/records"),
    "search_records": _of_records(
        "POST", "/v1/records/search", json={"collection": "contact", "where": {"full_name": NAME}}),
    "read_record": _of_records("GET", "/v1/records/{who.record}"),
    "replace_record": _of_records("PUT", "/v1/records/{who.record}", json={"fields": {"full_name": "B"}}),
    "patch_record": _of_records("PATCH", "/v1/records/{who.record}", json={"fields": {"region": "PT"}}),
    "delete_record": _of_records("DELETE", "/v1/records/{who.record}"),
    "run_batch": _of_records(
        "POST", "/v1/records/batch", json={"operations": [{"op": "create", **RECORD}]}),
    "ready": _asked("keys records", lambda who: who.http.get("/readyz")),
}  # fmt: skip
"""By the route's name."""

REFUSALS: dict[str, Asked] = {
    "a login that is taken": _asked("keys", lambda who: who.ask(
        "POST", "/v1/users", who.app_key, json={"login": who.login, "password": NEW_PASSWORD})),
    "a wrong password": _asked("keys", lambda who: who.ask(
        "POST", "/v1/sessions", who.app_key, json={"login": who.login, "password": NEW_PASSWORD})),
    "an unknown login": _asked("keys", lambda who: who.ask(
        "POST", "/v1/sessions", who.app_key, json={"login": new_login(), "password": PASSWORD})),
    "a wrong app key": _asked("keys", lambda who: who.ask(
        "POST", "/v1/sessions", wrong_app_key(who), json={"login": who.login, "password": PASSWORD})),
    "a wrong password before a change": _asked("keys", lambda who: who.ask(
        "PUT", "/v1/me/password", json={"current_password": NEW_PASSWORD, "new_password": PASSWORD})),
    "a wrong password before an erasure": _asked("keys", lambda who: who.ask(
        "DELETE", "/v1/me", json={"password": NEW_PASSWORD})),
    "a wrong password before a change of data key": _asked("keys", lambda who: who.ask(
        "POST", "/v1/me/data-key", json={"password": NEW_PASSWORD})),
    "a wrong recovery code": _asked("keys", lambda who: who.ask(
        "POST", "/v1/recoveries/code", who.app_key, json={
            "login": who.login, "recovery_code": "000G4-0R40M-30E20-9185G-R38E1-W",
            "new_password": NEW_PASSWORD})),
    "cancelling somebody else's recovery": _asked("keys", lambda who: who.ask(
        "DELETE", f"/v1/recoveries/{who.user}")),
    "a record that is not there": _of_records("GET", "/v1/records/{who.user}"),
    "a change of a record that is not there": _of_records(
        "PUT", "/v1/records/{who.user}", json={"fields": {}}),
}  # fmt: skip
"""What is refused leaves an event, and without one the caller is not even told of the refusal."""

NEED_A_CASE = {"cancel_recovery"}

SILENT = {"me", "list_sessions", "live", "recovery_status"}
"""Routes that show nobody's data and change nothing."""


class Called(NamedTuple):
    """A call of the key service, by whom; all are recorded in the keys trail."""

    caller: str
    request: Callable[[Somebody], Request]
    prepare: Callable[[Somebody], object] = lambda _: None  # while everything still works


KMS_CALLS: dict[str, Called] = {
    "enrol": Called("api", lambda who: Enrol(who.app_key, new_uuid(), new_login(), PASSWORD)),
    "unlock": Called("api", lambda who: Unlock(who.app_key, who.login, PASSWORD)),
    "change_password": Called("api", lambda who: ChangePassword(_uuid(who.user), PASSWORD, NEW_PASSWORD)),
    "change_login": Called("api", lambda who: ChangeLogin(_uuid(who.user), PASSWORD, new_login())),
    "erase": Called("api", lambda who: Erase(_uuid(who.user), PASSWORD)),
    "create_recovery_code": Called("api", lambda who: CreateRecoveryCode(_uuid(who.user), PASSWORD)),
    "redeem_recovery_code": Called(
        "api", lambda who: RedeemRecoveryCode(who.app_key, who.login, who.code, NEW_PASSWORD)
    ),
    "changes_since": Called("worker_records", lambda _: ChangesSince(0)),  # reads the trail
    "create_app": Called("operator", lambda _: CreateApp(f"app-{next(_numbers)}")),
    "rotate_app_key": Called("operator", lambda _: RotateAppKey("tests")),
    "revoke_app": Called("operator", lambda _: RevokeApp("tests")),
    "send_events_again": Called("operator", lambda _: SendEventsAgain("records", "splunk", 3)),
    "accept_restore": Called("operator", lambda who: restore_to_accept(who.vault, "records")),
}
KMS_SILENT: dict[str, Called] = {
    "epoch": Called("api", lambda who: Epoch(_uuid(who.user))),
    "list_apps": Called("operator", lambda _: ListApps()),
    "count_old_costs": Called("operator", lambda _: CountOldCosts()),
    "others_in_use": Called("operator", lambda _: OthersInUse()),
    "health": Called("operator", lambda _: Health()),
    "log_head": Called("api", lambda _: LogHead("records")),
    "sign_checkpoint": Called("worker_keys", lambda _: SignCheckpoint("keys", 0, EMPTY_ROOT, 0, ())),
    "sign_manifest": Called(  # the newest once more: nothing is signed; new ones see break_glass_flow.py
        "ceremony", lambda who: SignManifest(manifest_of(who.vault).encode(), bytes(64))
    ),
    "report_sealed": Called("worker_keys", lambda _: ReportSealed("keys", None, 0, 0.0)),
}
"""These hand out no key and change no key: a head that is signed is in the log by itself."""


def restore_to_accept(vault: Vault, log: LogName) -> AcceptRestore:
    """Have a head signed that the database does not hold: then an empty log is an older one."""
    client = kms_client(KmsClientSettings(url=vault.socket(f"worker_{log}")))
    try:
        if client.call(LogHead(log), LogHeadIs).size == 0:  # it was not signed before
            client.call(SignCheckpoint(log, 5, os.urandom(32), 0, ()), CheckpointSigned)
    finally:
        client.close()
    return AcceptRestore(log, 0, EMPTY_ROOT)


def _uuid(text: str) -> Any:
    return new_uuid().__class__(text)


def session_of(who: Somebody) -> str:
    shown = who.ask("GET", "/v1/sessions").raise_for_status().json()["items"]
    return str(next(each["session_id"] for each in shown if each["current"]))


def wrong_app_key(who: Somebody) -> str:
    return who.app_key[:-4] + ("AAAA" if not who.app_key.endswith("AAAA") else "BBBA")


def ask_all(asked: Mapping[str, Asked], people: Iterable[Somebody]) -> dict[str, httpx.Response]:
    """Each with somebody of its own, several at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sent = {
            name: pool.submit(each.send, who)
            for (name, each), who in zip(asked.items(), people, strict=False)
        }
        return {name: future.result() for name, future in sent.items()}


def prepare_all(calls: Mapping[str, Called], people: Iterable[Somebody]) -> None:
    """What each call needs to be there before; of the same people as the calls."""
    for call, who in zip(calls.values(), people, strict=False):
        call.prepare(who)


def call_all(
    calls: Mapping[str, Called], people: Iterable[Somebody], *, at_once: int = _AT_ONCE
) -> dict[str, VaultError | None]:
    """What each was refused with, if it was."""
    with ThreadPoolExecutor(at_once) as pool:
        sent = {
            name: pool.submit(_call, call, who)
            for (name, call), who in zip(calls.items(), people, strict=False)
        }
        return {name: future.result() for name, future in sent.items()}


def _call(call: Called, who: Somebody) -> VaultError | None:
    client = kms_client(KmsClientSettings(url=who.vault.socket(call.caller)))
    request = call.request(who)
    try:
        client.call(request, ANSWERS[type(request)])
    except VaultError as error:
        return error
    finally:
        client.close()
    return None

"""P2: root on the API host opens nothing of a user who is not signed in at that time.

The attacker has every process's memory, every file and secret of the host, the records database as
the API's role sees it, and the API's place at the key service. Each test has a control: with what
only the user has, the same attack succeeds.
"""

import base64
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.live import connect, new_login, sign_in, sign_up
from tests.promises.files import contents
from tests.promises.memory import copies, family
from tests.rig.people import kms_of
from tests.rig.vault import Vault
from vault_service.crypto.dek import Dek
from vault_service.crypto.recovery_code import format_code, new_code
from vault_service.crypto.seal import open_sealed
from vault_service.domain.contexts import SessionContext
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, RecordId, SessionId, TenantId, UserId, new_uuid
from vault_service.domain.tokens import SessionToken, secret_hash
from vault_service.kms.protocol.messages import (
    REQUESTS,
    ChangeLogin,
    ChangePassword,
    Enrol,
    Epoch,
    Erase,
    Health,
    LogHead,
    Request,
    Unlock,
    Unlocked,
)
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CancelRecovery,
    CreateRecoveryCode,
    RecoveryStatus,
    RedeemRecoveryCode,
)
from vault_service.kms.protocol.rotation_messages import AddDataKey, DropDataKey
from vault_service.records.codec import open_record
from vault_service.storage.records.records import StoredRecord

pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the attacker is root on the host")

NAME = "Zebulon Canaryfield"
_PATIENCE_S = 20.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Victim:
    """Somebody with one record and one session, and what only that person's devices hold."""

    login: str
    password: str
    token: str
    http: httpx.Client
    record: str
    opened: Unlocked

    @property
    def dek(self) -> Dek:
        ids = TenantId(self.opened.tenant_id), UserId(self.opened.user_id), DekId(self.opened.dek_id)
        return Dek(*ids, self.opened.dek)

    def secrets(self) -> dict[str, bytes]:
        """Each of these, or a part of it, would open the data or is the data."""
        secret = SessionToken.parse(self.token).secret
        return {
            "login": self.login.encode(),
            "password": self.password.encode(),
            "token": self.token.encode()[-40:],
            "session secret": secret,
            "DEK": self.dek.key,
            "DEK in base64": base64.b64encode(self.dek.key).rstrip(b"="),
            "DEK in hexadecimal": self.dek.key.hex().encode(),
            "a field": NAME.encode(),
        }


@pytest.fixture
def victim(served: Vault) -> Iterator[Victim]:
    login, password = new_login(), f"canary number {next(_numbers)} under the umbrella"
    with connect(served, served.app_key) as app:
        sign_up(app, login, password)
        token = sign_in(app, login, password).json()["token"]
    with connect(served, token) as http:
        body = {"collection": "contact", "fields": {"full_name": NAME}}
        path = http.post("/v1/records", json=body).headers["Location"]
        assert http.get(path).json()["fields"]["full_name"] == NAME
        kms = kms_of(served)
        opened = kms.call(Unlock(served.app_key, login, password), Unlocked)
        kms.close()
        yield Victim(login, password, token, http, path.rpartition("/")[2], opened)


# --- memory


def wait_until_gone(look: Callable[[], dict[str, int]]) -> dict[str, int]:
    """Freed memory is overwritten about a second later, when cycles of references are collected."""
    deadline = time.monotonic() + _PATIENCE_S
    while any((found := look()).values()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


@needs_root
@pytest.mark.parametrize("signed_out", [False, True], ids=["between two requests", "signed out"])
@pytest.mark.parametrize("process", ["api", "kms"])
def test_no_memory_holds_what_would_open_the_data(
    served: Vault, victim: Victim, process: str, signed_out: bool
) -> None:
    """Although the app keeps its connection to the API open."""
    if signed_out:
        victim.http.delete("/v1/sessions/current")
    pids = family(served.running[process].popen.pid)

    found = wait_until_gone(lambda: copies(pids, victim.secrets()))

    assert found == dict.fromkeys(found, 0)


@needs_root
def test_the_same_look_finds_what_a_process_does_hold(served: Vault, victim: Victim) -> None:
    role = {"password of the role": served.records.password("vault_api").encode()}
    assert copies(family(served.running["api"].popen.pid), role)["password of the role"]

    ours = copies([os.getpid()], victim.secrets())

    assert all(ours[each] for each in ("login", "password", "token", "DEK", "a field"))


# --- the records database, and every file of the host


def what_the_host_has(vault: Vault) -> set[bytes]:
    """Every value of 16 bytes or more that the role may read, and every file but the tokens' own."""
    found: set[bytes] = set()
    with vault.records.connect("vault_api") as conn:
        for (table,) in conn.execute(
            """SELECT quote_ident(table_name) FROM information_schema.role_table_grants
               WHERE grantee = 'vault_api' AND privilege_type = 'SELECT' AND table_schema = 'public'"""
        ).fetchall():
            rows = conn.execute(f"SELECT * FROM {table}").fetchall()
            for value in itertools.chain.from_iterable(rows):
                if isinstance(value, bytes | memoryview):
                    found.add(bytes(value))
    for file, content in contents(vault.home.rglob("*"), largest=10_000):
        if "tokens" not in file.parts:
            found |= {content.strip(), *content.split()}
    return {value for value in found if len(value) >= 16}


def stored_session(vault: Vault, victim: Victim) -> tuple[SessionContext, bytes]:
    token = SessionToken.parse(victim.token)
    with vault.records.superuser() as conn:
        row: Any = conn.execute(
            "SELECT dek_wrap, epoch FROM sessions WHERE session_id = %(s)s", {"s": token.session}
        ).fetchone()
    dek = victim.dek
    return SessionContext(dek.tenant, dek.user, dek.dek, SessionId(token.session), row[1]), row[0]


def stored_record(vault: Vault, victim: Victim) -> StoredRecord:
    with vault.records.superuser() as conn:
        row: Any = conn.execute(
            """SELECT record_id, version, dek_id, collection_tag, sealed, created_at, updated_at
               FROM records WHERE record_id = %(r)s""",
            {"r": victim.record},
        ).fetchone()
    return StoredRecord(RecordId(row[0]), row[1], DekId(row[2]), *row[3:])


def opens_session(key: bytes, place: SessionContext, wrap: bytes) -> bool:
    try:
        open_sealed(key, place, wrap)
    except SealBrokenError:
        return False
    return True


def test_nothing_that_lies_on_the_host_or_in_its_database_opens_a_session_or_a_record(
    served: Vault, victim: Victim
) -> None:
    place, wrap = stored_session(served, victim)
    record, dek = stored_record(served, victim), victim.dek

    for value in what_the_host_has(served):
        assert not opens_session(value, place, wrap)
        with pytest.raises(SealBrokenError):
            open_record(Dek(dek.tenant, dek.user, dek.dek, value[:32]), record)

    assert opens_session(SessionToken.parse(victim.token).secret, place, wrap)
    assert NAME.encode() in open_record(dek, record).fields


def test_another_users_open_session_leads_nowhere(served: Vault, victim: Victim) -> None:
    """With the API's role a session of the victim's can be made with the attacker's secret."""
    login = new_login()
    with connect(served, served.app_key) as app:
        sign_up(app, login)
        attacker = SessionToken.parse(sign_in(app, login).json()["token"])
    forged = SessionToken(victim.dek.user, SessionId(new_uuid()), attacker.secret)
    with served.records.connect("vault_api") as conn:
        made = conn.execute(
            """INSERT INTO sessions (user_id, session_id, secret_hash, dek_id, dek_wrap, epoch, app_id,
                                     unlock_id, must_change, created_at, last_seen, idle_s, expires_at)
               SELECT user_id, %(new)s, %(h)s, dek_id, dek_wrap, epoch, app_id, unlock_id, must_change,
                      created_at, last_seen, idle_s, expires_at
               FROM sessions WHERE session_id = %(s)s""",
            {
                "new": forged.session,
                "h": secret_hash(attacker.secret),
                "s": SessionToken.parse(victim.token).session,
            },
        )
        assert made.rowcount == 1

    with connect(served, forged.reveal()) as http:
        assert http.get(f"/v1/records/{victim.record}").status_code == 401


# --- the API's place at the key service

WRONG = "whatever the password may have been"
ATTACKS: dict[str, tuple[type[Request], Callable[[Vault, Victim], Request]]] = {
    "sign up again": (
        Enrol, lambda vault, who: Enrol(vault.app_key, who.opened.user_id, who.login, WRONG)
    ),
    "a one-time password": (
        Enrol, lambda vault, who: Enrol(vault.app_key, who.opened.user_id, who.login)
    ),
    "a one-time password for a stranger's id": (
        Enrol, lambda vault, who: Enrol(vault.app_key, new_uuid(), who.login)
    ),
    "sign in": (Unlock, lambda vault, who: Unlock(vault.app_key, who.login, WRONG)),
    "another password": (
        ChangePassword, lambda _, who: ChangePassword(who.opened.user_id, WRONG, f"{WRONG}, now known")
    ),
    "redeem": (
        ChangePassword,
        lambda _, who: ChangePassword(who.opened.user_id, WRONG, f"{WRONG}, now known", one_time=True),
    ),
    "another login": (
        ChangeLogin, lambda _, who: ChangeLogin(who.opened.user_id, WRONG, "attacker@example.org")
    ),
    "erase": (Erase, lambda _, who: Erase(who.opened.user_id, WRONG)),
    "ask for access again": (
        BeginRecovery,
        lambda vault, who: BeginRecovery(vault.app_key, new_uuid(), who.login, f"{WRONG}, now known"),
    ),
    "ask how a recovery stands": (
        RecoveryStatus, lambda vault, _: RecoveryStatus(vault.app_key, new_uuid())
    ),
    "cancel a recovery": (
        CancelRecovery, lambda _, who: CancelRecovery(new_uuid(), who.opened.user_id, who.opened.unlock_id)
    ),
    "make a recovery code": (
        CreateRecoveryCode, lambda _, who: CreateRecoveryCode(who.opened.user_id, WRONG)
    ),
    "guess a recovery code": (
        RedeemRecoveryCode,
        lambda vault, who: RedeemRecoveryCode(
            vault.app_key, who.login, format_code(new_code()), f"{WRONG}, now known"
        ),
    ),
    "another data key": (AddDataKey, lambda _, who: AddDataKey(who.opened.user_id, WRONG)),
    "give the data key up": (
        DropDataKey,
        lambda _, who: DropDataKey(who.opened.user_id, who.opened.dek_id, who.opened.unlock_id),
    ),
    "ask for the epoch": (Epoch, lambda _, who: Epoch(who.opened.user_id)),
    "ask for its health": (Health, lambda *_: Health()),
    "ask what was signed": (LogHead, lambda *_: LogHead("keys")),
}  # fmt: skip
"""What a captured API would say in each call that it may make; a new call needs a line here."""


def ask(vault: Vault, request: Request) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=vault.socket("api").removeprefix("unix:"))
    with httpx.Client(transport=transport, timeout=30) as client:
        body = {name: getattr(request, name) for name in request.__struct_fields__}
        return client.post(f"http://kms/v1/{request.name}", content=json.dumps(body, default=str))


def wraps_of(vault: Vault, victim: Victim) -> list[bytes]:
    with vault.keys.superuser() as conn:
        rows: list[Any] = conn.execute(
            """SELECT wrap FROM credentials WHERE user_id = %(u)s
               UNION ALL SELECT wrap FROM escrow_wraps WHERE user_id = %(u)s""",
            {"u": victim.opened.user_id},
        ).fetchall()
    return [bytes(row[0]) for row in rows]


def test_every_call_that_the_api_may_make_is_tried() -> None:
    assert {request for request in REQUESTS.values() if "api" in request.callers} == {
        kind for kind, _ in ATTACKS.values()
    }


@pytest.mark.parametrize("attack", [act for _, act in ATTACKS.values()], ids=ATTACKS)
def test_no_call_without_the_password_gives_a_key_or_a_wrap(
    served: Vault, victim: Victim, attack: Callable[[Vault, Victim], Request]
) -> None:
    wraps = wraps_of(served, victim)
    assert len(wraps) == 2

    answer = ask(served, attack(served, victim))

    for secret in (victim.dek.key, *wraps):
        assert secret not in answer.content
        assert base64.b64encode(secret).rstrip(b"=") not in answer.content
    with connect(served, served.app_key) as app:
        assert sign_in(app, victim.login, victim.password).status_code == 201, "nothing was changed either"


def test_with_the_password_the_same_place_gives_the_key(served: Vault, victim: Victim) -> None:
    answer = ask(served, Unlock(served.app_key, victim.login, victim.password))

    assert base64.b64encode(victim.dek.key) in answer.content


def test_the_role_of_the_host_does_not_reach_the_keys_database(served: Vault) -> None:
    """Its password is good for one database of one server."""
    with pytest.raises(psycopg.OperationalError, match=r"permission denied|does not exist|authentication"):
        served.keys.connect("vault_api")

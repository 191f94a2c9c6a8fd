"""Apps and officers are told what becomes of a case: at least once, signed, and without what it is about."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.rig.certificates import Authority
from tests.rig.listeners import (
    LOOPBACK,
    HttpRequest,
    TlsListener,
    answer,
    listening,
    read_request,
    server_context,
)
from tests.rig.postgres import TestDatabase
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound, client_context
from vault_service.outbound.signature import sign
from vault_service.outbound.url import HttpsUrl
from vault_service.policy.recovery_rules import DrillRule
from vault_service.recovery.figures import RecoveryFigures
from vault_service.recovery.notices import NoticeLoop, NoticeReceiver
from vault_service.storage.pool import Database

KEY = "a signing key that nobody guesses, 24 bytes and more"
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
USER, APP = uuid4(), uuid4()
REASON = "Quorvelle asked by telephone"


class Hook:
    """A receiver whose answer a test chooses."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[HttpRequest] = []

    def __call__(self, client: ssl.SSLSocket) -> None:
        self.requests.append(read_request(client))
        answer(client, self.status)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def listener(authority: Authority, hook: Hook) -> Iterator[TlsListener]:
    with listening(server_context(authority.issue("hook")), hook) as listener:
        yield listener


@pytest.fixture
def worker_db(keys_db: TestDatabase) -> Iterator[Database]:
    db = keys_db.open("vault_worker_keys", size=2)
    yield db
    db.close()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def loop(db: Database, clock: Clock, *receivers: NoticeReceiver) -> NoticeLoop:
    return NoticeLoop(db, Outbound(AddressPolicy(["127.0.0.0/8"])), receivers, now=clock)


def receiver(listener: TlsListener, authority: Authority, app: str | None) -> NoticeReceiver:
    url = HttpsUrl.parse(f"https://{LOOPBACK}:{listener.port}/hook")
    return NoticeReceiver(url, client_context(ca=authority.path), lambda: KEY, app)


def note_down(keys: TestDatabase, audience: str, what: str = "opened", kind: str = "regain") -> UUID:
    """A case with a message, as the key service leaves them."""
    case, notice = uuid4(), uuid4()
    with keys.superuser() as conn:
        conn.execute(
            """INSERT INTO tenants VALUES (%(app)s, 't', now()) ON CONFLICT DO NOTHING""", {"app": APP}
        )
        conn.execute(
            """INSERT INTO apps (app_id, tenant_id, name, created_at) VALUES (%(app)s, %(app)s, 'shop', now())
               ON CONFLICT DO NOTHING""",
            {"app": APP},
        )
        conn.execute(
            """INSERT INTO cases (case_id, kind, user_id, app_id, body, mac, opened_at, not_before,
                                  expires_at)
               VALUES (%(case)s, %(kind)s, %(user)s, %(app)s, %(body)s, decode(repeat('00', 32), 'hex'),
                       %(now)s, %(now)s, %(now)s)""",
            {"case": case, "kind": kind, "user": USER, "app": APP, "body": REASON.encode(), "now": NOW},
        )
        conn.execute(
            """INSERT INTO notifications (notification_id, case_id, audience, what, created_at, not_before)
               VALUES (%(notice)s, %(case)s, %(audience)s, %(what)s, %(now)s, %(now)s)""",
            {"notice": notice, "case": case, "audience": audience, "what": what, "now": NOW},
        )
    return case


def test_the_app_learns_which_user_a_case_is_about_and_nothing_else(
    keys_db: TestDatabase, worker_db: Database, listener: TlsListener, authority: Authority, hook: Hook,
    clock: Clock,
) -> None:  # fmt: skip
    case = note_down(keys_db, "app")

    assert loop(worker_db, clock, receiver(listener, authority, "shop")).send_due() == 1

    (request,) = hook.requests
    assert json.loads(request.body) == {
        "type": "recovery.opened",
        "timestamp": "2026-11-27T12:00:00.000Z",
        "data": {"case_id": str(case), "kind": "regain", "what": "opened", "user_id": str(USER)},
    }
    assert b"Quorvelle" not in request.body


def test_a_message_is_signed_and_sent_once(
    keys_db: TestDatabase, worker_db: Database, listener: TlsListener, authority: Authority, hook: Hook,
    clock: Clock,
) -> None:  # fmt: skip
    note_down(keys_db, "officers")
    sending = loop(worker_db, clock, receiver(listener, authority, None))

    assert [sending.send_due(), sending.send_due()] == [1, 0]

    (request,) = hook.requests
    name = request.headers["webhook-id"]
    expected = sign(KEY.encode(), name, int(NOW.timestamp()), request.body)
    assert request.headers["webhook-signature"] == expected["Webhook-Signature"]


def test_officers_are_not_told_the_user_and_apps_not_of_others_users(
    keys_db: TestDatabase, worker_db: Database, listener: TlsListener, authority: Authority, hook: Hook,
    clock: Clock,
) -> None:  # fmt: skip
    note_down(keys_db, "officers")
    note_down(keys_db, "app")

    loop(worker_db, clock, receiver(listener, authority, None)).send_due()
    loop(worker_db, clock, receiver(listener, authority, "another app")).send_due()

    (request,) = hook.requests
    assert "user_id" not in json.loads(request.body)["data"]


def test_a_message_that_is_not_taken_is_sent_again_later_under_the_same_id(
    keys_db: TestDatabase, worker_db: Database, listener: TlsListener, authority: Authority, hook: Hook,
    clock: Clock,
) -> None:  # fmt: skip
    note_down(keys_db, "officers")
    sending = loop(worker_db, clock, receiver(listener, authority, None))
    hook.status = 503

    assert [sending.send_due(), sending.send_due()] == [0, 0]  # the second finds nothing due
    assert len(hook.requests) == 1
    hook.status = 200
    clock.now += timedelta(seconds=2)
    assert sending.send_due() == 1

    first, second = hook.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_one_that_is_never_taken_is_given_up_after_a_week(
    keys_db: TestDatabase, worker_db: Database, listener: TlsListener, authority: Authority, hook: Hook,
    clock: Clock,
) -> None:  # fmt: skip
    note_down(keys_db, "officers")
    sending = loop(worker_db, clock, receiver(listener, authority, None))
    hook.status = 500
    sending.send_due()

    clock.now += timedelta(days=7, seconds=1)

    with capture_logs() as logs:
        assert [sending.send_due(), sending.send_due()] == [0, 0]
    assert len(hook.requests) == 1
    assert [(line["event"], line["n"]) for line in logs] == [("notices.given_up", 1)]


def test_a_receiver_that_hangs_up_holds_up_nobody_elses_messages(
    keys_db: TestDatabase, worker_db: Database, listener: TlsListener, authority: Authority, hook: Hook,
    clock: Clock,
) -> None:  # fmt: skip
    note_down(keys_db, "app")
    note_down(keys_db, "officers")
    away = NoticeReceiver(
        HttpsUrl.parse("https://127.0.0.1:1/hook"),
        client_context(ca=authority.path),
        lambda: KEY,
        "shop",
    )

    assert loop(worker_db, clock, away, receiver(listener, authority, None)).send_due() == 1
    assert len(hook.requests) == 1


def figures(db: Database, clock: Clock, began: datetime) -> CollectorRegistry:
    registry = CollectorRegistry()
    RecoveryFigures(db, DrillRule(every_days=90, sample=10), registry, began=began, now=clock).update()
    return registry


def test_a_drill_that_is_overdue_raises_the_metric(
    keys_db: TestDatabase, worker_db: Database, clock: Clock
) -> None:
    began = NOW - timedelta(days=91)
    assert figures(worker_db, clock, began).get_sample_value("vault_drill_overdue_seconds") == 86_400

    case = note_down(keys_db, "officers", kind="drill")
    with keys_db.superuser() as conn:
        conn.execute(
            "UPDATE cases SET state = 'executed', closed_at = %(now)s WHERE case_id = %(case)s",
            {"case": case, "now": NOW},
        )

    assert figures(worker_db, clock, began).get_sample_value("vault_drill_overdue_seconds") == 0
    clock.now += timedelta(days=90, seconds=5)
    assert figures(worker_db, clock, began).get_sample_value("vault_drill_overdue_seconds") == 5


def test_open_cases_are_counted_by_kind_and_decoys_are_not(
    keys_db: TestDatabase, worker_db: Database, clock: Clock
) -> None:
    note_down(keys_db, "officers")
    decoy = note_down(keys_db, "officers")
    with keys_db.superuser() as conn:
        conn.execute("UPDATE cases SET decoy = true WHERE case_id = %(case)s", {"case": decoy})

    registry = figures(worker_db, clock, NOW)

    assert registry.get_sample_value("vault_recovery_cases", {"kind": "regain"}) == 1
    assert registry.get_sample_value("vault_recovery_cases", {"kind": "drill"}) == 0

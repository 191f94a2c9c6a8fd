"""Tell the app of a user, and the officers, what becomes of a case.

The rules:

1. A message stands in the database in the transaction of what it tells; it is sent afterwards, at least
   once, each time under the same Webhook-Id.
2. It says which case, of which kind, what happened and when; to the app also which user. The reason, the
   scope, a login or a name are never in it.
3. Whoever does not take it is waited for, longer each time, for a week; then it is given up, with a log
   line. What officers have to decide stands in their work list whether or not a message reached them.
4. A slow receiver holds up other messages, and nothing else of the worker.
"""

import secrets
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import structlog

from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.errors import VaultError
from vault_service.logs import Repeated, describe
from vault_service.outbound.connect import Outbound
from vault_service.outbound.errors import OutboundUnavailableError
from vault_service.outbound.post import post
from vault_service.outbound.signature import sign, signing_key
from vault_service.outbound.url import HttpsUrl
from vault_service.storage.keys.notices import Notice, due_notices, forget_old, mark_sent, postpone
from vault_service.storage.pool import Database

_log = structlog.get_logger("notices")
_random = secrets.SystemRandom()
_BATCH = 20
_WITHIN_S = 10.0
_IDLE_S = 1.0
_MAX_WAIT_S = 300.0
_MAX_ERROR = 200  # characters
_GIVEN_UP_AFTER = timedelta(days=7)
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NoticeReceiver:
    """One webhook."""

    url: HttpsUrl
    tls: ssl.SSLContext
    key: Callable[[], str]  # read anew for each request, so that it can be changed without a restart
    app: str | None  # None: the officers'

    def wants(self, notice: Notice) -> bool:
        """Whether it is told of this."""
        return self.app is None if notice.audience == "officers" else self.app == notice.app


class NoticeLoop:
    """Sends what is due, in a thread of its own."""

    def __init__(
        self, db: Database, outbound: Outbound, receivers: Sequence[NoticeReceiver], *, now: Clock = utc_now
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._receivers = receivers
        self._now = now
        self._stop = threading.Event()
        # daemon: a receiver that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, within_s: float = 2.0) -> None:
        """Let it end what it is about, for so long at most."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        away = Repeated()
        while not self._stop.is_set():
            wait_s = _IDLE_S
            try:
                wait_s = 0.0 if self.send_due() else _IDLE_S
                if count := away.over():
                    _log.info("notices.goes_on", n=count)
            except VaultError as error:
                if (times := away.failed(error.code)) is not None:
                    _log.warning("notices.database_away", code=error.code, n=times)
            except Exception as error:  # noqa: BLE001  # a defect must show, and must not end the messages
                if (times := away.failed(type(error).__name__)) is not None:
                    _log.error("notices.failed", n=times, **describe(error))
            self._stop.wait(wait_s)

    def send_due(self) -> int:
        """Try each message whose time has come; returns how many were sent. Raises UnavailableError."""
        with self._db.connection() as conn:
            given_up = forget_old(conn, self._now(), sent=_KEPT, unsent=_GIVEN_UP_AFTER, limit=1000)
            due = due_notices(conn, self._now(), _BATCH)
        if given_up:
            _log.warning("notices.given_up", n=given_up)
        return sum(self._send(notice) for notice in due if not self._stop.is_set())

    def _send(self, notice: Notice) -> bool:
        try:
            for receiver in self._receivers:
                if receiver.wants(notice):
                    self._post(receiver, notice)
        except VaultError as error:
            wait_s = min(_MAX_WAIT_S, 2.0 ** min(notice.failures, 30)) * _random.uniform(0.5, 1.0)
            _log.warning(
                "notices.waiting", case_id=str(notice.case), code=error.code, backoff_s=round(wait_s, 1)
            )
            with self._db.connection() as conn:
                until = self._now() + timedelta(seconds=wait_s)
                postpone(conn, notice.notice, until, error.detail[:_MAX_ERROR])
            return False
        with self._db.connection() as conn:
            mark_sent(conn, notice.notice, self._now())
        return True

    def _post(self, receiver: NoticeReceiver, notice: Notice) -> None:
        now = self._now()
        body, name = encode_notice(notice), notice.notice.hex
        headers = {"Content-Type": "application/json", "Webhook-Id": name}
        headers |= sign(signing_key(receiver.key()), name, int(now.timestamp()), body)
        answer = post(self._outbound, receiver.url, body, headers, tls=receiver.tls, within_s=_WITHIN_S)
        if not 200 <= answer.status < 300:
            raise OutboundUnavailableError(receiver.url.host, f"HTTP {answer.status}")


def encode_notice(notice: Notice) -> bytes:
    """What is posted (Standard Webhooks: type, timestamp, data)."""
    data = {"case_id": str(notice.case), "kind": notice.kind, "what": notice.what}
    if notice.audience == "app" and notice.user is not None:
        data["user_id"] = str(notice.user)
    message = {"type": f"recovery.{notice.what}", "timestamp": _rfc3339(notice.at), "data": data}
    return msgspec.json.encode(message)


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""What the events say: their one form, and whether the two trails tell the same story."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from vault_service.verify.findings import Report

_UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_HEX = rb"(?:[0-9a-f]{2})*"
_AT = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_INT = rb"0|[1-9][0-9]{0,18}"
# RFC 8785 leaves one way to write an event: members sorted, no spaces. So one expression is the whole
# grammar, and an event is read several times faster than by a JSON parser.
_MEMBERS = {
    b"app_id": _UUID, b"at": _AT, b"case_id": _UUID, b"digest": _HEX, b"epoch": _INT, b"event_id": _UUID,
    b"kind": rb"[a-z0-9_]+",
    b"login_index": _HEX, b"n": _INT, b"officer_id": _UUID, b"record_id": _UUID, b"session_id": _UUID,
    b"unlock_id": _UUID,
    b"user_id": _UUID, b"v": b"1",
}  # fmt: skip
_ALWAYS = {b"at", b"event_id", b"kind", b"user_id", b"v"}
_NUMBERS = {b"epoch", b"n", b"v"}
_ONLY_IN = {
    b"case_id": "keys",
    b"officer_id": "keys",
    b"epoch": "keys",
    b"login_index": "keys",
    b"n": "records",
    b"record_id": "records",
    b"session_id": "records",
}
EPOCH = b"1970-01-01T00:00:00.000000Z"
_LATEST = b"9999-12-30T00:00:00.000000Z"  # a margin later is still a time
_LATEST_S = 253_402_128_000  # the same, in seconds since 1970
_MARGIN = timedelta(seconds=60)  # clocks and transactions under way


def _grammar(log: str) -> re.Pattern[bytes]:
    members: list[bytes] = []
    for name, form in _MEMBERS.items():
        if _ONLY_IN.get(name, log) != log:
            continue
        quote = b"" if name in _NUMBERS else b'"'
        value = (
            b"(?P<%s>%s)" % (name, form)
            if name not in (b"app_id", b"case_id", b"epoch", b"login_index", b"n", b"officer_id", b"v")
            else b"(?:%s)" % form
        )
        member = b'"%s":%s%s%s%s' % (name, quote, value, quote, b"" if name == b"v" else b",")
        members.append(member if name in _ALWAYS else b"(?:%s)?" % member)
    return re.compile(rb"\{" + b"".join(members) + rb"\}\n?")


LEAF = {log: _grammar(log) for log in ("keys", "records")}
BUCKETS = 256


class Trail:
    """What is remembered of a log's events while they stream past."""

    def __init__(self, log: str) -> None:
        self.log = log
        self.malformed: list[int] = []
        self.restored: dict[bytes, tuple[int, bytes]] = {}  # hex digest of the abandoned body -> index, at
        self.last_at = b""
        self.unlocks: set[bytes] = set()  # unlock and user
        self.sessions: set[bytes] = set()  # session, unlock and user
        self.used: set[bytes] = set()  # unlocks of sessions
        self.reused: list[int] = []
        self.opened_without: list[
            tuple[int, bytes]
        ] = []  # index and at of sessions whose unlock is not known
        self.touched: dict[bytes, int] = {}  # sessions not opened before they were used -> first index
        self._ids = [array("Q") for _ in range(BUCKETS)]  # the end of each event id: 8 bytes an event

    def take(self, first: int, lines: Iterable[bytes], unlocks: set[bytes]) -> None:
        """The lines of leaves from this index on; `unlocks` are those of the keys log."""
        fullmatch, ids, records = LEAF[self.log].fullmatch, self._ids, self.log == "records"
        for index, line in enumerate(lines, first):
            match = fullmatch(line)
            if match is None:
                self.malformed.append(index)
                continue
            at, event, kind = match.group("at", "event_id", "kind")
            self.last_at = at
            end = int(event[24:], 16)
            ids[end % BUCKETS].append(end)
            if kind == b"log_restored":
                # The first one: accepting a restore may be told twice after a crash.
                self.restored.setdefault(match["digest"] or b"", (index, at))
            elif not records:
                if kind == b"unlocked":
                    self.unlocks.add((match["unlock_id"] or b"") + match["user_id"])
            elif kind == b"session_opened":
                unlock = (match["unlock_id"] or b"") + match["user_id"]
                self.sessions.add((match["session_id"] or b"") + unlock)
                if unlock in self.used:
                    self.reused.append(index)
                elif unlock not in unlocks:
                    self.opened_without.append((index, at))
                self.used.add(unlock)
            elif kind.startswith(b"record"):  # records touched, listed, searched, exported
                session, unlock, user = match.group("session_id", "unlock_id", "user_id")
                key = (session or b"") + (unlock or b"") + user
                if key not in self.sessions:
                    self.touched.setdefault(key, index)

    def repeated(self) -> set[int]:
        """Ends of event ids that stand in the log more than once: of the same id, or by chance."""
        return {
            end
            for bucket in self._ids
            if len(set(bucket)) < len(bucket)
            for end, count in Counter(bucket).items()
            if count > 1
        }


def twice(log: str, lines: Iterable[bytes], ends: set[int]) -> Iterator[tuple[int, int, str]]:
    """A second pass: index, earlier index and id of each event that is there twice."""
    seen: dict[bytes, int] = {}
    for index, line in enumerate(lines):
        match = LEAF[log].fullmatch(line)
        if match and int((event := match["event_id"])[24:], 16) in ends:
            if event in seen:
                yield index, seen[event], event.decode()
            seen.setdefault(event, index)


def moment(at: bytes) -> datetime:
    """An event's time; that of no day in the calendar is in no span that could excuse anything."""
    try:
        return datetime.fromisoformat(at.decode())
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _within(at: bytes) -> datetime:
    """An event's time, from which a margin can be counted; of no event, long ago."""
    return moment(min(max(at, EPOCH), _LATEST))


def compare(
    keys: Trail,
    records: Trail,
    report: Report,
    times: tuple[int | None, int | None],
    lost: list[tuple[bytes, bytes]],
) -> None:
    """Find what one trail tells and the other does not know.

    `times` are the cosignature times of the keys and the records checkpoint, in seconds: sessions younger
    than the keys log's cannot be compared. The keys log's last event is no younger than its checkpoint: a
    witness of the records side that dates it back excuses nothing from before. Nor is a session younger than
    the records log's own checkpoint: one that is dated ahead would be excused in every export. `lost` are the
    spans, first and last `at`, whose unlocks a restore of the keys database has lost.
    """
    for key, index in records.touched.items():
        if key not in records.sessions:
            report.find("cross.record_without_session", "records were touched in a session that was never "
                        "opened by this user", log="records", index=index)  # fmt: skip
    for index in records.reused:
        report.find("cross.unlock_reused", "a second session was opened with the same unlock", log="records",
                    index=index)  # fmt: skip
    horizon = sealed = datetime.max.replace(tzinfo=UTC)
    keys_at, records_at = times
    if keys_at and records_at and keys_at < records_at:
        horizon = max(datetime.fromtimestamp(keys_at, UTC), _within(keys.last_at)) - _MARGIN
        sealed = datetime.fromtimestamp(min(records_at, _LATEST_S), UTC) + _MARGIN
    spans = [(_within(first) - _MARGIN, _within(last) + _MARGIN) for first, last in lost]
    young = in_lost = 0
    for index, at in records.opened_without:
        if horizon <= moment(at) <= sealed:
            young += 1
        elif any(first <= moment(at) <= last for first, last in spans):
            in_lost += 1
        else:
            report.find("cross.session_without_unlock", "a session was opened, and the keys log has no such "
                        "unlock of this user", log="records", index=index)  # fmt: skip
    if young:
        report.notices.append(
            f"{young} sessions are younger than the keys log's checkpoint: compare them next time"
        )
    if in_lost:
        report.notices.append(f"{in_lost} sessions are of a time that the restored keys log has lost")

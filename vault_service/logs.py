"""Logs of every process: one JSON object a line on stderr, and never a password, token, field or key.

Nothing is trusted to be harmless. A key that is not listed here is dropped with its value; a value
of another type than the few plain ones is dropped too; an exception is logged as its type and the
lines it went through, without its message or locals, since both may quote what a user sent. Lines
of libraries lose their message for the same reason: where it was logged tells an operator enough.
"""

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast

import structlog

Level = Literal["debug", "info", "warning", "error"]

ALLOWED = frozenset({
    "app_id", "backoff_s", "call", "case_id", "ceremony_id", "code", "duration_ms", "error", "event",
    "event_id", "exit_code", "file", "kind", "level", "listener", "logger", "method", "n", "origin",
    "part", "pid", "port", "process", "request_id", "route", "seconds", "serial", "side", "status",
    "task", "time", "user_id", "version", "where",
})  # fmt: skip
"""Every key that may ever stand in a log."""

_SAY_AGAIN_S = 30.0
_LONGEST_S = 3600.0
_MAX_VALUE = 300  # characters
_MAX_FRAMES = 12
# A secret of ours that slipped into an allowed key all the same.
_OUR_TOKENS = re.compile(r"vs[aso]_[A-Za-z0-9_-]{8,}")
_PACKAGE_ROOT = Path(__file__).parent.parent

EventDict = MutableMapping[str, Any]


def describe(error: BaseException) -> dict[str, Any]:
    """`error`: the type's name, and `where`: file:line of each frame, innermost last. No values."""
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{_shorten(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}")
        trace = trace.tb_next
    kind = type(error)
    return {"error": f"{kind.__module__}.{kind.__qualname__}", "where": frames[-_MAX_FRAMES:]}


def _shorten(filename: str) -> str:
    path = Path(filename)
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    return str(path.relative_to(_PACKAGE_ROOT)) if path.is_relative_to(_PACKAGE_ROOT) else path.name


def _replace_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    info: object = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info else None  # structlog's own forms: True, the exception, or its triple
    if isinstance(info, BaseException):
        error = info
    if error is not None:
        event.update(describe(error))
    return event


def _plain(value: object) -> object | None:
    if isinstance(value, str):
        return _OUR_TOKENS.sub("[removed]", value[:_MAX_VALUE])
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        several = cast("Sequence[object]", value)
        return [kept for kept in map(_plain, several) if kept is not None]
    return None


def keep_allowed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Drop every key that is not in ALLOWED, and every value that is not plain."""
    return {key: kept for key in event if key in ALLOWED and (kept := _plain(event[key])) is not None}


_PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    _replace_exception,
    keep_allowed,
    structlog.processors.JSONRenderer(),
)


class Repeated:
    """A failure that comes back every moment: said at once, then less and less often, and when it is over.

    A part that is away for a night must not fill a disk, nor hide what else the log says. Threads may share
    it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, quiet_s: float = 0.0) -> None:
        """`quiet_s`: for how long nothing must have failed before it counts as over."""
        self._clock, self._quiet_s = clock, quiet_s
        self._lock = threading.Lock()  # guards what follows
        self._count = 0  # since it last worked
        self._last = 0.0
        self._due: dict[str, tuple[float, float]] = {}  # code -> when to say it again, how long after that

    def failed(self, code: str) -> int | None:
        """How often in a row by now, if that is to be said; None where the same was said not long ago."""
        with self._lock:
            self._count += 1
            now = self._last = self._clock()
            due, again_s = self._due.get(code, (now, _SAY_AGAIN_S))
            if now < due:
                return None
            self._due[code] = (now + again_s, min(2 * again_s, _LONGEST_S))
            return self._count

    def over(self) -> int:
        """It works: how often in a row it had failed; 0 if there is nothing to say."""
        if not self._count:  # as nearly always: whoever asks after each call of a database takes no lock
            return 0
        with self._lock:
            if self._clock() - self._last < self._quiet_s:
                return 0
            count, self._count = self._count, 0
            self._due.clear()
            return count


class _LibraryHandler(logging.Handler):
    """Gives lines of libraries the same form, without what they say."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write where the line was logged, and the type of its exception."""
        said: dict[str, Any] = {"where": [f"{_shorten(record.pathname)}:{record.lineno}"]}
        if record.exc_info and record.exc_info[1]:
            said = describe(record.exc_info[1])
        structlog.get_logger().log(record.levelno, "library", logger=record.name, **said)


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
) -> None:
    structlog.get_logger().error("process.failed", **(describe(error) if error else {"error": kind.__name__}))


def configure_logging(level: Level = "info") -> None:
    """Call once, first thing in each service process."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=max(number, logging.INFO), force=True)
    # These say something at every request; what matters of it stands in our own line.
    for chatty in ("httpx", "httpcore", "werkzeug"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)

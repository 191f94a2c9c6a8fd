"""A log line holds what is allowed and nothing else, whatever it is given."""

import ast
import itertools
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

import vault_service
from vault_service.logs import ALLOWED, Repeated, configure_logging

SECRET = "correct-horse-9Zr4"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    structlog.get_logger().info("request", status=200, route="/v1/me", duration_ms=1.5)

    (line,) = lines(capsys)
    assert line.keys() == {"time", "level", "event", "status", "route", "duration_ms"}
    assert (line["event"], line["level"], line["status"]) == ("request", "info", 200)


@pytest.mark.parametrize("key", ["password", "token", "fields", "login", "dek", "detail", "headers", "body"])
def test_a_key_that_is_not_listed_is_dropped_with_its_value(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()

    structlog.get_logger().info("request", **{key: SECRET})

    assert SECRET not in json.dumps(lines(capsys))


@pytest.mark.parametrize("value", [{"password": SECRET}, SECRET.encode(), [SECRET.encode()], object()])
def test_an_allowed_key_holds_only_plain_values(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    structlog.get_logger().info("request", route=value)

    assert SECRET not in capsys.readouterr().err


def test_one_of_our_tokens_is_removed_even_from_an_allowed_key(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    structlog.get_logger().info("request", route="/v1/me?t=vss_AAAAAAAAAAAAAAAA")

    assert lines(capsys)[0]["route"] == "/v1/me?t=[removed]"


def _fail_with_a_secret() -> None:
    password = SECRET
    raise ValueError(password)


def test_an_exception_is_its_type_and_its_lines_without_message_or_locals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging()

    try:
        _fail_with_a_secret()
    except ValueError:
        structlog.get_logger().exception("failed")

    (line,) = lines(capsys)
    assert line["error"] == "builtins.ValueError"
    assert [str(frame).partition(":")[0] for frame in line["where"]] == ["tests/test_logs.py"] * 2  # type: ignore[attr-defined]
    assert SECRET not in json.dumps(line)


def test_a_librarys_exception_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Else a server's worker that cannot start says only that it cannot."""
    configure_logging()

    try:
        raise KeyError(SECRET)
    except KeyError:
        logging.getLogger("gunicorn.error").exception("Exception in worker process")

    (line,) = lines(capsys)
    assert line["error"] == "builtins.KeyError"
    assert "test_logs.py" in str(line["where"])
    assert SECRET not in json.dumps(line)


def test_a_librarys_line_loses_its_message_but_not_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    logging.getLogger("psycopg.pool").warning("connecting with %s", SECRET)

    (line,) = lines(capsys)
    assert line["logger"] == "psycopg.pool"
    assert "tests/test_logs.py" in str(line["where"])
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize("hook", ["main", "thread"])
def test_an_exception_that_nobody_catches_is_logged_the_same_way(
    hook: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()

    if hook == "thread":
        thread = threading.Thread(target=_fail_with_a_secret)
        thread.start()
        thread.join()
    else:
        try:
            _fail_with_a_secret()
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)

    (line,) = lines(capsys)
    assert (line["event"], line["error"]) == ("process.failed", "builtins.ValueError")
    assert SECRET not in json.dumps(line)


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")

    structlog.get_logger().info("request")

    assert lines(capsys) == []


LOGGERS = frozenset({"_log"})
METHODS = frozenset({"debug", "info", "warning", "error", "critical"})


def logged_keys(source: str) -> set[str]:
    """Every key that a line of this source would log, but for what it unpacks."""
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
    ]
    ours = [call for call in calls if ast.unparse(call.func).split(".")[0] in LOGGERS]
    return {
        keyword.arg for call in ours for keyword in call.keywords if keyword.arg not in (None, "exc_info")
    }


def test_no_line_of_ours_names_what_would_be_dropped() -> None:
    """Whoever needs to know which file it was would learn that there is one."""
    assert logged_keys('_log.error("x", file="y", **more); log("z", q=1)') == {"file"}, "the search itself"

    package = Path(vault_service.__file__).parent
    dropped = {
        f"{path.relative_to(package)}: {key}"
        for path in package.rglob("*.py")
        for key in logged_keys(path.read_text("utf-8")) - ALLOWED
    }

    assert dropped == set()


# --- what fails again and again


def test_a_failure_that_stays_is_said_at_once_and_then_less_and_less_often() -> None:
    """Twice a second for a day: some forty lines, each with how often it was."""
    now = 0.0
    failures = Repeated(lambda: now)
    said: dict[float, int] = {}
    for half_second in range(2 * 86_400):
        now = half_second / 2
        if (count := failures.failed("token.unavailable")) is not None:
            said[now] = count

    moments = list(said)
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert said[0.0] == 1
    assert pauses[:4] == [30.0, 60.0, 120.0, 240.0]
    assert set(pauses[7:]) == {3600.0}
    assert said[moments[-1]] == 2 * moments[-1] + 1


def test_another_failure_is_said_at_once_and_two_that_alternate_are_not_said_each_time() -> None:
    failures = Repeated(lambda: 0.0)

    said = [failures.failed(code) for code in ("a", "b", "a", "b", "c")]

    assert said == [1, 2, None, None, 5]


def test_of_many_threads_that_fail_at_once_one_says_it() -> None:
    def slow_clock() -> float:
        time.sleep(0.01)
        return 0.0

    failures = Repeated(slow_clock)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(failures.failed, "a" * 8))

    assert [count for count in said if count is not None] == [1]
    assert failures.over() == 8


def test_it_is_not_over_while_only_some_of_it_fails() -> None:
    """Calls that succeed between those that fail: each of both would be a line."""
    now = 0.0
    failures = Repeated(lambda: now, quiet_s=5.0)
    said: list[object] = []
    for second in range(4):
        now = float(second)
        said += [failures.failed("a"), failures.over()]
    now = 8.0

    assert said == [1, 0, None, 0, None, 0, None, 0]
    assert failures.over() == 4


def test_when_it_is_over_it_says_how_often_it_was_and_the_next_one_is_said_at_once() -> None:
    failures = Repeated(lambda: 0.0)
    for _ in range(3):
        failures.failed("a")

    assert (failures.over(), failures.over()) == (3, 0)
    assert failures.failed("a") == 1

"""A log line holds what is allowed and nothing else, whatever it is given."""

import ast
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import vault_service
from vault_service.logs import ALLOWED, configure_logging

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


def test_nothing_that_the_code_gives_to_its_log_is_dropped_unseen() -> None:
    """Else whoever reads it at night learns that a case was left out, and not which."""
    dropped = [
        f"{path.name}:{call.lineno}: {given.arg}"
        for path in sorted(Path(vault_service.__file__).parent.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("_log.")
        for given in call.keywords
        if given.arg is not None and given.arg not in ALLOWED | {"exc_info"}
    ]

    assert not dropped


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

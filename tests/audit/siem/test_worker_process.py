"""The worker as it runs for real: killed at the worst moments, with receivers that are away."""

import contextlib
import json
import os
import shutil
import signal
import ssl
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.audit.siem.log import PATIENCE_S, dead_letters, fill, state, until
from tests.rig.certificates import Authority
from tests.rig.clear_text import CLEAR_TEXT
from tests.rig.forked import Forked, forked_command
from tests.rig.listeners import LOOPBACK, TlsListener, answer, listening, read_request, server_context
from tests.rig.postgres import TestDatabase
from tests.rig.vault import REPOSITORY, free_port

_BATCH = 200  # events in a request at most


@dataclass
class Hook:
    """Keeps every event's id; `before` is called with the request's number before it is answered."""

    taken: list[str] = field(default_factory=list)
    requests: int = 0
    before: Callable[[int], None] = lambda number: None

    def __call__(self, client: ssl.SSLSocket) -> None:
        lines = read_request(client).body.splitlines()
        self.requests += 1
        self.taken += [json.loads(line)["metadata"]["uid"] for line in lines]
        self.before(self.requests)
        answer(client, 200)


@dataclass
class Host:
    """What the keys side's worker needs, and nothing of a vault besides."""

    database: TestDatabase
    folder: Path
    receivers: str
    metrics_port: int = field(default_factory=free_port)

    def write(self) -> None:
        shutil.copytree(REPOSITORY / "policies", self.folder / "policies")
        (self.folder / "policies" / "outbound.toml").write_text('allow = ["127.0.0.1/32"]\n')

        def section(role: str) -> str:
            dsn, file = self.database.dsn(role), self.database.password_file(role)
            return f"dsn = {json.dumps(dsn)}\npassword_file = {json.dumps(str(file))}\n"

        (self.folder / "vault.toml").write_text(f"""
policies_dir = "{self.folder}/policies"
[worker_keys]
state_dir = "{self.folder}"
metrics_port = {self.metrics_port}
[worker_keys.database]
{section("vault_worker_keys")}
[worker_keys.kms]
url = "unix:{self.folder}/kms.sock"
{self.receivers}
""")

    @contextlib.contextmanager
    def worker(self) -> Generator[Forked]:
        environment = {**os.environ, "VAULT_SETTINGS": str(self.folder / "vault.toml")}
        words, log = ("serve", "worker", "--side", "keys"), self.folder / "worker.log"
        process = forked_command(environment, words, log, log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(20)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def listener(authority: Authority, hook: Hook) -> Iterator[TlsListener]:
    with listening(server_context(authority.issue("worker-hook")), hook) as listener:
        yield listener


@pytest.fixture
def host(keys_db: TestDatabase, tmp_path: Path, listener: TlsListener, authority: Authority) -> Host:
    """With a webhook and a file."""
    key = tmp_path / "hook.key"
    key.touch(0o600)
    key.write_text("a signing key of the tests, long enough")
    receivers = f"""
[[worker_keys.siem]]
name = "hook"
kind = "webhook"
url = "https://{LOOPBACK}:{listener.port}/in"
ca = "{authority.path}"
hmac_key_file = "{key}"
[[worker_keys.siem]]
name = "file"
kind = "file"
path = "{tmp_path}/keys.jsonl"
"""
    host = Host(keys_db, tmp_path, receivers)
    host.write()
    return host


def in_file(host: Host) -> list[str]:
    file = host.folder / "keys.jsonl"
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [json.loads(line)["metadata"]["uid"] for line in lines]


def once_each(ids: list[str]) -> list[str]:
    """As a receiver has them that leaves repetitions out."""
    return list(dict.fromkeys(ids))


def test_killed_at_the_worst_moments_it_loses_nothing_and_keeps_the_order(
    host: Host, hook: Hook, keys_db: TestDatabase
) -> None:
    """Killed when the receiver has the events and before it can answer: they come again."""
    ids = fill(keys_db, 3 * _BATCH)
    running: list[Forked] = []

    def kill(number: int) -> None:
        if number in {1, 2, 4}:
            running[-1].send_signal(signal.SIGKILL)
            running[-1].wait(20)

    hook.before = kill
    for _ in range(3):
        with host.worker() as process:
            running.append(process)
            process.wait(PATIENCE_S)
    ids += fill(keys_db, 10)
    with host.worker() as process:
        running.append(process)
        until(lambda: state(keys_db, "hook").behind == 0 and state(keys_db, "file").behind == 0)

    assert once_each(hook.taken) == ids
    assert len(hook.taken) == len(ids) + 3 * _BATCH, "what each kill cut off came again, and nothing else"
    assert once_each(in_file(host)) == ids
    assert dead_letters(keys_db) == []


def test_a_receiver_that_is_killed_and_comes_back_gets_what_it_missed(
    host: Host, hook: Hook, listener: TlsListener, keys_db: TestDatabase
) -> None:
    ids = fill(keys_db, 10)
    with host.worker():
        until(lambda: state(keys_db, "hook").behind == 0)
        listener.stop()
        ids += fill(keys_db, 10)
        until(lambda: state(keys_db, "hook").failures > 0 and state(keys_db, "file").behind == 0)
        assert "connection failed" in (state(keys_db, "hook").last_error or "")
        listener.start()
        until(lambda: state(keys_db, "hook").behind == 0)

    assert once_each(hook.taken) == ids


def test_a_receiver_that_hangs_slows_neither_the_worker_nor_the_other_receiver(
    host: Host, hook: Hook, keys_db: TestDatabase
) -> None:
    released: list[bool] = []
    hook.before = lambda number: until(lambda: bool(released))
    fill(keys_db, 5)
    with keys_db.superuser() as conn:
        conn.execute(
            "INSERT INTO guesses VALUES (sha256(''), 0, now() - interval '1 year', now() - interval '1 year')"
        )

    def figures() -> set[str]:
        """Counted after they are noted in the database."""
        said = httpx.get(f"http://127.0.0.1:{host.metrics_port}/metrics", timeout=20, verify=CLEAR_TEXT).text
        return {line.removeprefix("vault_siem_") for line in said.splitlines()}

    def purged() -> bool:
        with keys_db.superuser() as conn:
            return conn.execute("SELECT FROM guesses").fetchone() is None

    with host.worker() as process:
        until(lambda: hook.requests == 1 and state(keys_db, "file").behind == 0 and purged())
        until(
            lambda: {'lag_events{receiver="hook"} 5.0', 'delivered_total{receiver="file"} 5.0'} <= figures()
        )
        process.terminate()
        assert process.wait(PATIENCE_S / 2) == 0, "it ends although the receiver still hangs"
        released.append(True)


def test_an_inner_address_is_refused_when_the_worker_starts(
    host: Host, hook: Hook, keys_db: TestDatabase
) -> None:
    fill(keys_db, 1)
    (host.folder / "policies" / "outbound.toml").write_text("allow = []\n")
    with host.worker() as process:
        assert process.wait(PATIENCE_S) == 3
    assert "127.0.0.1 is not an address of the public Internet" in (host.folder / "worker.log").read_text()
    assert hook.requests == 0

"""`vaultctl witness` on a third host: a key, a state file, public keys, and nothing else of the vault."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.dev.waiting import until
from tests.witness.watched import LOG, NAME, Log, Place, over, raw
from vault_service.cli.output import EXIT_CONFIGURATION, EXIT_USAGE
from vault_service.dev.process import vaultctl
from vault_service.tlog.add_checkpoint import parse_cosignatures
from vault_service.tlog.cosignature import cosigned_at
from vault_service.tlog.keys import VerifierKey

pytestmark = pytest.mark.slow

_BARE = {"PATH": "/usr/bin:/bin", "VAULT_SETTINGS": "/nowhere/vault.toml", "COLUMNS": "120"}


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        vaultctl("witness", *map(str, arguments)),
        env=_BARE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serve(place: Place, log: Log, address: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    arguments = [
        "--key",
        place.key,
        "--state",
        place.state,
        "--log",
        log.vkey.format(),
        "--listen",
        f"unix:{address}",
    ]
    process = subprocess.Popen(
        vaultctl("witness", "serve", *map(str, arguments), *more),
        env=_BARE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: process.poll() is not None or _answers(address))
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(address: Path) -> bool:
    try:
        raw(address).close()
    except OSError:
        return False
    return True


def test_keygen_prints_the_public_key_and_nothing_of_the_secret(tmp_path: Path) -> None:
    key = tmp_path / "key"
    made = run("keygen", "--name", NAME, "--key", key)
    again = run("keygen", "--name", NAME, "--key", key, "--json")

    vkey = VerifierKey.parse(made.stdout.strip())
    assert (vkey.name, Place(tmp_path).vkey) == (NAME, vkey)
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().strip().split("+", 4)[4]
    assert secret not in made.stdout + made.stderr + again.stdout + again.stderr
    assert (again.returncode, json.loads(again.stderr)["error"]["code"]) == (
        EXIT_CONFIGURATION,
        "config.invalid",
    )


def test_a_witness_of_its_own_cosigns_and_ends_in_good_order(place: Place, log: Log, scratch: Path) -> None:
    address = scratch / "third-host.sock"
    with serve(place, log, address) as process:
        with over(address) as client:
            answer = client.post("/add-checkpoint", content=log.request(0))
        (cosignature,) = parse_cosignatures(answer.text)
        assert cosigned_at(place.vkey, log.checkpoint().body(), cosignature) > 0
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1].splitlines()
        assert process.returncode == 0
    assert [json.loads(line)["event"] for line in said] == ["witness.listening", "witness.first_checkpoint"]
    assert json.loads(said[1])["origin"] == LOG


def test_a_request_under_way_at_sigterm_is_answered(place: Place, log: Log, scratch: Path) -> None:
    address, body = scratch / "sigterm.sock", log.request(0)
    with serve(place, log, address) as process, raw(address) as connection:
        connection.sendall(
            b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        assert b"100 Continue" in connection.recv(100)
        process.terminate()
        until(lambda: not _answers(address))
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert process.wait(30) == 0


def test_it_loads_neither_database_nor_token_nor_reads_settings(tmp_path: Path) -> None:
    program = f"""
import sys
sys.argv = ["vaultctl", "witness", "keygen", "--name", {NAME!r}, "--key", {str(tmp_path / "key")!r}]
from vault_service.cli.main import main
try:
    main()
except SystemExit:
    pass
import vault_service.witness.server, vault_service.witness.witness
found = [each for each in sys.modules if each.split(".")[0] in
         ("psycopg", "psycopg_pool", "pkcs11", "flask", "gunicorn", "shamir_mnemonic")
         or each.startswith(("vault_service.storage", "vault_service.kms", "vault_service.bootstrap"))]
print(found)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        env=_BARE,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--listen", "0.0.0.0:8475"], EXIT_CONFIGURATION, "needs TLS"),
        (["--listen", "nowhere"], EXIT_USAGE, "neither"),
        (["--listen", "127.0.0.1:٣"], EXIT_USAGE, "neither"),
        (["--log", "no+vkey+"], EXIT_USAGE, "--log"),
        (["--log", "{cosigner}"], EXIT_USAGE, "type 1"),
        (["--tls-certificate", "/nowhere"], EXIT_USAGE, "--tls-key"),
        (["--tls-certificate", "/nowhere", "--tls-key", "/nowhere"], EXIT_CONFIGURATION, "/nowhere"),
    ],
)
def test_what_cannot_work_is_said_before_anything_listens(
    place: Place, log: Log, scratch: Path, more: list[str], code: int, said: str
) -> None:
    more = [each.format(cosigner=place.vkey.format()) for each in more]
    with serve(place, log, scratch / "never.sock", *more) as process:
        error = process.communicate(timeout=30)[1]
    assert (process.returncode, [line.split(":")[0] for line in error.splitlines()]) == (
        code,
        ["error", "remedy"],
    )
    assert said in error


def test_a_key_that_others_can_read_is_refused_at_start(place: Place, log: Log, scratch: Path) -> None:
    place.key.chmod(0o644)
    with serve(place, log, scratch / "readable.sock") as process:
        error = process.communicate(timeout=30)[1]
    assert (process.returncode, "can be read by others" in error) == (EXIT_CONFIGURATION, True)


def test_a_second_witness_with_the_same_state_does_not_start(place: Place, log: Log, scratch: Path) -> None:
    """Nor does it take the first one's socket away."""
    address = scratch / "one.sock"
    with serve(place, log, address), over(address) as client:
        with serve(place, log, address) as second:
            until(lambda: second.poll() is not None)
            assert second.returncode == EXIT_CONFIGURATION
        assert client.post("/add-checkpoint", content=log.request(0)).status_code == 200


def test_the_key_does_not_end_up_in_a_core_dump(place: Place, log: Log, scratch: Path) -> None:
    with serve(place, log, scratch / "hard.sock") as process:
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits

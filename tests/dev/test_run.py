"""`make run`: a whole vault from nothing, that finds its data again and leaves nothing running."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.dev.waiting import until
from tests.dev.whole_vault import WholeVault, survivors
from tests.rig.clear_text import CLEAR_TEXT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs services as different users")

PERSON = {"login": "iris@example.org", "password": "violet anchor teapot meadow"}
PROCESSES = {"supervisor", "postgres", "kms", "api", "worker_keys", "worker_records", "ceremony", "console"}


@pytest.fixture(scope="module")
def running(scratch: Path) -> Iterator[WholeVault]:
    """One vault for the tests that leave it as they found it: running, or startable."""
    vault = WholeVault(scratch / "running")
    try:
        vault.start()
        vault.user, vault.app_key = sign_in(vault).json()["user_id"], str(ready(vault)["app_key"])
        yield vault
    finally:
        vault.end()


@pytest.fixture
def vault(running: WholeVault) -> WholeVault:
    """That vault, started again if the test before stopped it."""
    if running.process is None or running.process.poll() is not None:
        running.start()
    return running


@pytest.fixture
def stopped(running: WholeVault) -> WholeVault:
    """That vault, where it does not run: after the test that stops it there is nothing to be done."""
    running.end()
    return running


def ready(vault: WholeVault) -> dict[str, object]:
    found: dict[str, object] = json.loads((vault.home / "ready.json").read_bytes())
    return found


def sign_in(vault: WholeVault) -> httpx.Response:
    headers = {"Authorization": f"Bearer {ready(vault)['app_key']}"}
    address = str(ready(vault)["api_url"])
    with httpx.Client(base_url=address, headers=headers, timeout=60, verify=CLEAR_TEXT) as app:
        app.post("/v1/users", json=PERSON)
        return app.post("/v1/sessions", json=PERSON)


def status(address: object) -> int:
    return httpx.get(str(address), timeout=60, verify=CLEAR_TEXT).status_code


def test_ready_json_says_how_to_use_it_to_its_owner_only(vault: WholeVault) -> None:
    said = ready(vault)

    assert set(said) == {"api_url", "console_url", "user_page_url", "metrics_url", "app_key", "pids"}
    assert isinstance(said["pids"], dict)
    assert set(said["pids"]) == PROCESSES
    assert survivors(said["pids"]) == list(said["pids"])
    assert said["api_url"] == f"http://127.0.0.1:{vault.port}"
    assert stat.S_IMODE((vault.home / "ready.json").stat().st_mode) == 0o600
    assert status(f"{said['api_url']}/readyz") == 200
    assert status(said["metrics_url"]) == 200
    assert status(f"{said['console_url']}/sign-in") == 200
    assert status(f"{said['user_page_url']}/sign-in") == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="the lines are for curl, which is not here")
def test_the_printed_lines_can_be_pasted_into_a_shell(vault: WholeVault) -> None:
    lines = re.findall(r"^ *(?:[A-Z]+=\$\()?curl .*$", vault.said(), re.MULTILINE)

    done = subprocess.run(
        ["bash", "-euc", "\necho\n".join([*lines, "echo $CASE"])], capture_output=True, text=True, check=True
    )

    assert len(lines) == 4
    signed_up, _, stored, _, case = done.stdout.splitlines()
    assert "user_id" in json.loads(signed_up)
    assert json.loads(stored)["fields"]["full_name"] == "Ana Silva"
    asked = json.loads(done.stderr)
    assert asked["case_id"] == case
    assert len(asked["verification_phrase"].split()) == 6


@needs_root
@pytest.mark.parametrize(
    "closed",
    [
        ("vault-api", "secrets/kms/online-pin"),
        ("vault-api", "secrets/keys-database/vault_kms.password"),
        ("vault-api", "tokens/online/softhsm2.conf"),
        ("vault-api", "tokens/escrow/softhsm2.conf"),
        ("vault-api", "state/kms/manifest-serial"),
        ("vault-kms", "secrets/records-database/vault_api.password"),
        ("vault-kms", "tokens/escrow/softhsm2.conf"),
        ("vault-kms", "ceremony/shares-1.json"),
        ("vault-kms", "demo-officers/ana.key"),
        ("vault-worker-records", "secrets/records-database/vault_api.password"),
        ("vault-worker-keys", "secrets/keys-database/vault_kms.password"),
        ("vault-ceremony", "secrets/kms/online-pin"),
        ("vault-console", "secrets/kms/online-pin"),
        ("vault-console", "secrets/records-database/vault_api.password"),
        ("vault-console", "secrets/api/demo-app.key"),
        ("vault-api", "secrets/keys-database/vault_recovery.password"),
        ("vault-ceremony", "demo-officers/ana.key"),
        ("postgres", "secrets/operator/postgres-superuser.password"),
        ("postgres", "tokens/online/softhsm2.conf"),
        ("vault-api", "ready.json"),
    ],
    ids=lambda closed: " ".join(closed),
)
def test_no_user_reads_anothers_files(vault: WholeVault, closed: tuple[str, str]) -> None:
    reader, file = closed
    assert (vault.home / file).exists()

    command = [
        "setpriv",
        f"--reuid={reader}",
        f"--regid={reader}",
        "--init-groups",
        "cat",
        str(vault.home / file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "Permission denied" in done.stderr


@needs_root
def test_every_process_runs_as_a_user_of_its_own_and_none_as_root(vault: WholeVault) -> None:
    pids = ready(vault)["pids"]
    assert isinstance(pids, dict)

    expected = {
        "supervisor": "root", "postgres": "postgres", "kms": "vault-kms", "api": "vault-api",
        "worker_keys": "vault-worker-keys", "worker_records": "vault-worker-records",
        "ceremony": "vault-ceremony", "console": "vault-console",
    }  # fmt: skip
    # A ceremony that follows a killed one is announced before it has got so far.
    until(lambda: {name: _real_user(pid) for name, pid in pids.items()} == expected)
    # What holds keys is not dumpable, which shows in /proc as files that belong to root (proc(5)).
    holders = [Path(f"/proc/{pids[name]}/status") for name in ("kms", "ceremony")]
    until(lambda: {file.owner() for file in holders} == {"root"})


def _real_user(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    return pwd.getpwuid(int(status.split("Uid:")[1].split()[0])).pw_name


def test_a_second_run_in_the_same_home_is_refused_and_does_no_harm(vault: WholeVault) -> None:
    second = WholeVault(vault.home)
    second.output = vault.home.with_suffix(".second")

    said = second.refused()

    assert f"a vault runs in {vault.home} (process {vault.process and vault.process.pid})" in said
    assert status(f"http://127.0.0.1:{vault.port}/readyz") == 200


@pytest.mark.parametrize("variable", ["VAULT_API_PORT", "VAULT_CONSOLE_PORT"])
def test_a_port_that_is_taken_is_named(vault: WholeVault, scratch: Path, variable: str) -> None:
    other = WholeVault(scratch / "other")
    port = other.port if variable == "VAULT_API_PORT" else other.console_port
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()

        said = other.refused()

    assert f"port {port} cannot be used" in said
    assert variable in said


@pytest.mark.parametrize(
    "name", ["postgres", "kms", "api", "worker_keys", "worker_records", "ceremony", "console"]
)
def test_a_killed_process_has_a_successor_and_the_vault_works_again(vault: WholeVault, name: str) -> None:
    vault.ready_after_the_death_of(name)

    assert sign_in(vault).status_code == 201


def test_sigterm_stops_everything(vault: WholeVault) -> None:
    pids = ready(vault)["pids"]
    assert isinstance(pids, dict)

    assert vault.stop() == 0

    assert survivors(pids) == []
    assert not (vault.home / "ready.json").exists()


def test_a_genesis_that_was_committed_but_not_noted_is_found_again(stopped: WholeVault) -> None:
    """The crash between the commit and the note: the keys are in use, and must never be made anew."""
    note = stopped.home / "manifest-fingerprint"
    fingerprint = note.read_text()
    note.unlink()
    (stopped.home / "genesis-under-way").touch()

    stopped.start()

    assert note.read_text() == fingerprint
    assert not (stopped.home / "unfinished").exists()
    assert sign_in(stopped).json()["user_id"] == stopped.user
    assert ready(stopped)["app_key"] == stopped.app_key


def test_a_killed_supervisor_takes_everything_along_and_the_next_run_finds_its_data_again(
    vault: WholeVault,
) -> None:
    """The API's worker process too, which would go on serving on the port."""
    pids = ready(vault)["pids"]
    assert isinstance(pids, dict)

    vault.stop(signal.SIGKILL)
    until(lambda: not survivors(pids))
    until(lambda: _connection_refused(vault.port))
    vault.start()

    assert sign_in(vault).json()["user_id"] == vault.user
    assert ready(vault)["app_key"] == vault.app_key


def _connection_refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_a_genesis_that_died_before_its_commit_is_begun_again_and_nothing_is_thrown_away(
    scratch: Path,
) -> None:
    vault = WholeVault(scratch / "half-made")
    process = vault.command()
    # The online PIN is written before the token is taken over, long before the commit.
    try:
        until((vault.home / "secrets" / "kms" / "online-pin").exists, timeout_s=180)
    finally:
        process.kill()
        process.wait()
    assert not (vault.home / "manifest-fingerprint").exists()
    try:
        vault.start()

        assert sign_in(vault).status_code == 201
        assert (vault.home / "unfinished" / "0" / "tokens-online").is_dir()
    finally:
        vault.end()


def test_ctrl_c_stops_everything(vault: WholeVault) -> None:
    """Last: nobody has to start it again."""
    pids = ready(vault)["pids"]
    assert isinstance(pids, dict)

    assert vault.stop(signal.SIGINT) == 0

    assert survivors(pids) == []

"""A records database that is older than what was signed is served to nobody, and one that nobody compared."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.live import connect, new_login, new_person, sign_in, sign_up
from tests.kms.logs import Log, as_caller, ask
from tests.rig.postgres import TestServer
from tests.rig.service import PATIENCE_S
from tests.rig.started import start_forked
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.kms.protocol.messages import AcceptRestore, LogHeadIs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served_alone(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """One vault for this module, whose API each test starts anew."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture
def vault(served_alone: Vault) -> Vault:
    """That vault, with its key service at work."""
    if served_alone.running["kms"].popen.poll() is not None:
        served_alone.start_forked_kms()
    return served_alone


def start_api(vault: Vault) -> None:
    """It listens although it may serve nobody yet."""
    if "api" in vault.running:
        vault.running["api"].stop()
    process = start_forked(vault, "api", "serve", "api")
    vault.wait_for(lambda: is_there(vault), process)


def start_ready_api(vault: Vault) -> None:
    start_api(vault)
    vault.wait_for(vault.api_is_ready, vault.running["api"])


def is_there(vault: Vault) -> bool:
    try:
        with connect(vault) as client:
            return client.get("/healthz").is_success
    except httpx.HTTPError:
        return False


def until_served(attempt: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := attempt()).is_success:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    return answer


def test_an_older_records_database_is_served_to_nobody_until_it_is_put_right(vault: Vault) -> None:
    start_ready_api(vault)
    app = connect(vault, vault.app_key)
    login = new_login()
    sign_up(app, login).raise_for_status()
    ana = connect(vault, sign_in(app, login).raise_for_status().json()["token"])
    log = Log().grow_to(12)
    ask(vault, log.asking(0, "records"))  # what the restored database does not hold

    start_api(vault)

    attempts: list[Callable[[], httpx.Response]] = [
        lambda: sign_up(app, "bob@example.org"),
        lambda: sign_in(app, login),
        lambda: ana.get("/v1/me"),
        lambda: ana.get("/v1/records"),
        lambda: ana.delete("/v1/sessions/current"),
    ]
    for attempt in attempts:
        refused = attempt()
        assert (refused.status_code, refused.json()["code"]) == (503, "audit.log_restored")
        assert refused.json()["remedy"].endswith("vaultctl audit accept-restore --side records")
        assert "records database" in refused.json()["detail"]
    assert ana.get("/readyz").json()["parts"]["records_log"] == "audit.log_restored"

    log.store(vault.records)  # the newest database is put back
    assert until_served(lambda: ana.get("/v1/me")).json()["user_id"]
    assert ana.get("/readyz").json()["parts"]["records_log"] == "ok"

    older = Log().grow_to(7)
    older.store(vault.records)  # or the older one is accepted
    start_api(vault)
    assert ana.get("/v1/me").json()["code"] == "audit.log_restored"
    as_caller(vault, "operator").call(AcceptRestore("records", 7, older.root()), LogHeadIs)
    until_served(lambda: ana.get("/v1/me"))


def test_without_the_key_service_a_new_process_serves_nobody_and_an_old_one_goes_on(vault: Vault) -> None:
    start_ready_api(vault)
    app = connect(vault, vault.app_key)
    ana = new_person(vault, app).http

    vault.running["kms"].stop()
    assert ana.get("/v1/records").status_code == 200, "it has been compared already"

    start_api(vault)
    refused = ana.get("/v1/records")
    assert (refused.status_code, refused.json()["code"]) == (503, "audit.log_unchecked")
    assert int(refused.headers["Retry-After"]) >= 1

    vault.start_forked_kms()
    until_served(lambda: ana.get("/v1/records"))


def test_a_stranger_is_told_nothing_of_it(vault: Vault) -> None:
    vault.running["kms"].stop()
    start_api(vault)
    assert connect(vault).get("/v1/records").status_code == 401
    assert connect(vault).get("/openapi.json").status_code == 200

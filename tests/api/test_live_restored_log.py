"""A records database that is older than what was signed is served to nobody, and one that nobody compared."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.api.live import connect, sign_in, sign_up
from tests.kms.logs import Log, as_caller, ask
from tests.rig.vault import Vault
from vault_service.kms.messages import AcceptRestore, LogHeadIs

pytestmark = pytest.mark.slow


def start_api(vault: Vault) -> None:
    """It listens although it may serve nobody yet."""
    if "api" in vault.running:
        vault.running["api"].stop()
    process = vault.start("api", "serve", "api")
    vault.wait_for(lambda: is_there(vault), process)


def is_there(vault: Vault) -> bool:
    try:
        return httpx.get(f"{vault.api_url}/healthz").is_success
    except httpx.HTTPError:
        return False


def until_served(attempt: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + 10
    while not (answer := attempt()).is_success:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    return answer


def test_an_older_records_database_is_served_to_nobody_until_it_is_put_right(own_vault: Vault) -> None:
    own_vault.start_api()
    app = connect(own_vault, own_vault.app_key)
    login = "ana@example.org"
    sign_up(app, login).raise_for_status()
    ana = connect(own_vault, sign_in(app, login).raise_for_status().json()["token"])
    log = Log().grow_to(12)
    ask(own_vault, log.asking(0, "records"))  # what the restored database does not hold

    start_api(own_vault)

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
    assert httpx.get(f"{own_vault.api_url}/readyz").json()["parts"]["records_log"] == "audit.log_restored"

    log.store(own_vault.records)  # the newest database is put back
    assert until_served(lambda: ana.get("/v1/me")).json()["user_id"]
    assert httpx.get(f"{own_vault.api_url}/readyz").json()["parts"]["records_log"] == "ok"

    older = Log().grow_to(7)
    older.store(own_vault.records)  # or the older one is accepted
    start_api(own_vault)
    assert ana.get("/v1/me").json()["code"] == "audit.log_restored"
    as_caller(own_vault, "operator").call(AcceptRestore("records", 7, older.root()), LogHeadIs)
    until_served(lambda: ana.get("/v1/me"))


def test_without_the_key_service_a_new_process_serves_nobody_and_an_old_one_goes_on(own_vault: Vault) -> None:
    own_vault.start_api()
    app = connect(own_vault, own_vault.app_key)
    sign_up(app, "ana@example.org").raise_for_status()
    ana = connect(own_vault, sign_in(app, "ana@example.org").raise_for_status().json()["token"])

    own_vault.running["kms"].stop()
    assert ana.get("/v1/records").status_code == 200, "it has been compared already"

    start_api(own_vault)
    refused = ana.get("/v1/records")
    assert (refused.status_code, refused.json()["code"]) == (503, "audit.log_unchecked")
    assert int(refused.headers["Retry-After"]) >= 1

    own_vault.start_forked_kms()
    until_served(lambda: ana.get("/v1/records"))


def test_a_stranger_is_told_nothing_of_it(own_vault: Vault) -> None:
    own_vault.running["kms"].stop()
    start_api(own_vault)
    assert connect(own_vault).get("/v1/records").status_code == 401
    assert httpx.get(f"{own_vault.api_url}/openapi.json").status_code == 200

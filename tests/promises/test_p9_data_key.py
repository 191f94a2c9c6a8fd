"""P9: a changed data key is gone on with after kill -9 of the API at each of its steps.

Whatever step it was, the password opens, every record is read, and signing in and continuing come to the end:
every record under one key, which is the only one there is. The key service's own steps are killed in
tests/kms/test_kill_a_data_key.py.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.promises.killed import Check, kill_at_each_step
from tests.rig.vault import PASSWORD, Vault
from tests.rotation.data_keys import Api, Owner, api_of
from vault_service.accounts.repair import repair_intents
from vault_service.accounts.service import utc_now
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import SessionRefusedError
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.rotation_messages import DataKeysDemanded, DemandDataKeys
from vault_service.settings import KmsClient as KmsClientSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def api(vault: Vault) -> Iterator[Api]:
    """Another API host, which lives on; it re-encrypts nothing at a sign-in."""
    with api_of(vault, at_sign_in=0) as host:
        yield host


def comes_to_an_end(owner: Owner, *, changes: int) -> None:
    token = owner.sign_in()
    assert owner.names(token) == owner.all_names()
    while owner.api.accounts.continue_data_key(token).remaining:
        assert owner.names(token) == owner.all_names()
    assert owner.names(token) == owner.all_names()
    assert (owner.deks(), len(owner.under())) == (1, 1)
    assert owner.session(token).epoch == 1 + changes
    assert owner.session(token).keys.older == ()
    repair_intents(replace(owner.api.parts, now=lambda: utc_now() + timedelta(hours=1)))
    assert owner.records("SELECT FROM intents WHERE user_id = %(user)s") == []
    assert owner.names(token) == owner.all_names(), "the repair ends no session of now"
    told = [n for kind, n in owner.records_events() if kind is R.RECORDS_REENCRYPTED]
    assert sum(told) == len(owner.kept) * changes, "each record once"


def lives(owner: Owner, token: SessionToken) -> bool:
    try:
        return owner.names(token) == owner.all_names()
    except SessionRefusedError:
        return False


def test_a_killed_change_of_the_data_key_happened_or_did_not(api: Api) -> None:
    """The worker comes first; whoever signs in before it does so in the test below."""

    def begin(step: int) -> tuple[dict[str, Any], Check]:
        owner = api.somebody(records=3)

        def check(done: bool) -> None:
            repair_intents(replace(api.parts, now=lambda: utc_now() + timedelta(hours=1)))
            changes = owner.deks() - 1
            assert changes or not done, f"killed after step {step}"
            assert lives(owner, owner.token) == (not changes)
            comes_to_an_end(owner, changes=changes)

        return {"flow": "change_data_key", "token": owner.token.reveal(), "password": PASSWORD}, check

    assert kill_at_each_step(api.vault, begin) > 5


def test_a_killed_sign_in_that_was_to_change_the_key_costs_nothing(api: Api) -> None:
    """All there is: it changes the key, begins a session, re-encrypts, drops the older key, forgets it."""

    def begin(step: int) -> tuple[dict[str, Any], Check]:
        owner = api.somebody(records=3)
        settings = KmsClientSettings(url=api.vault.socket("operator"))
        with contextlib.closing(kms_client(settings)) as operator:
            operator.call(DemandDataKeys((owner.user,)), DataKeysDemanded)

        def check(done: bool) -> None:
            del done
            comes_to_an_end(owner, changes=1)

        return {
            "flow": "sign_in", "app_key": api.vault.app_key, "login": owner.login, "password": PASSWORD,
        }, check  # fmt: skip

    assert kill_at_each_step(api.vault, begin) > 12

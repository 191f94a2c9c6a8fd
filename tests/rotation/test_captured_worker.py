"""What whoever has taken over the keys side's worker can do to keys: no more than its schedule does."""

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest
from msgspec import structs

from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.inside import Inside, later
from tests.rotation.login_index import begin
from tests.rotation.operator import Operator
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY
from vault_service.domain.rotation_errors import GenerationRefusedError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import CreateKey, GenerationIs, MakeKeyCurrent, RewrapBatch
from vault_service.kms.rotation import rewrap
from vault_service.kms.rotation.scheduled import ONCE_IN, WORKER, create_key_for, make_key_current_for
from vault_service.kms.service import KeyService
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.keys.peppered import HIGHEST


@pytest.fixture
def captured(turned: Vault) -> Iterator[Operator]:
    with contextlib.closing(kms_client(KmsClientSettings(url=turned.socket(WORKER)))) as kms:
        yield Operator(kms)


def refusals(vault: Vault) -> int:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE kind = %s", (int(KeysEvent.KEY_CHANGE_REFUSED),)
        ).fetchone()
    return int(str(row and row[0]))


def test_it_makes_no_key_where_no_schedule_is_switched_on(
    turned: Vault, captured: Operator, operator: Operator
) -> None:
    before, prepared = refusals(turned), operator.create("case").gen
    for request in (CreateKey("pepper"), MakeKeyCurrent("case", prepared)):
        with pytest.raises(GenerationRefusedError, match="no schedule"):
            captured.kms.call(request, GenerationIs)

    assert refusals(turned) == before + 2
    assert operator.states("pepper") == [(1, "current")]


def test_it_makes_no_key_of_a_kind_that_is_not_scheduled_and_none_twice_a_day(
    scheduled: KeyService,
) -> None:
    """Else every sign-in would compute one index more for each login index key."""
    inside = Inside(scheduled)
    with pytest.raises(GenerationRefusedError, match="login-index"):
        create_key_for(scheduled, WORKER, CreateKey("login-index"))

    made = create_key_for(scheduled, WORKER, CreateKey("note")).generation
    assert create_key_for(scheduled, WORKER, CreateKey("note")).generation == made
    for _ in ("first", "again"):
        made = make_key_current_for(scheduled, WORKER, MakeKeyCurrent("note", made.gen)).generation
    with pytest.raises(GenerationRefusedError, match="once a day"):
        create_key_for(scheduled, WORKER, CreateKey("note"))
    prepared = inside.create("note")
    with pytest.raises(GenerationRefusedError, match="once a day"):
        make_key_current_for(scheduled, WORKER, MakeKeyCurrent("note", prepared.gen))

    tomorrow = later(scheduled, ONCE_IN * 1.1)
    assert make_key_current_for(tomorrow, WORKER, MakeKeyCurrent("note", prepared.gen)).generation.gen == 3


def test_no_batch_that_it_asks_for_keeps_the_key_service_busy_for_long(
    turned: Vault, api: KmsClient, second: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job has at most 2,000 users; who names more gets a part, and the next sweep the rest."""
    for _ in range(5):
        enrol(turned, api)
    monkeypatch.setattr(rewrap, "PAGE", 1)
    monkeypatch.setattr(rewrap, "MOST_PAGES", 3)

    done = rewrap.rewrap_batch(second, RewrapBatch(begin(second), NOBODY, HIGHEST))

    assert (done.state, done.looked_at) == ("running", 3)


@pytest.fixture
def scheduled(second: KeyService) -> KeyService:
    """Whose policy lets the worker make the pepper, the case and the note key."""
    rules = second.policies.rotation
    on = structs.replace(rules, schedule=structs.replace(rules.schedule, enabled=True))
    return dataclasses.replace(second, policies=structs.replace(second.policies, rotation=on))

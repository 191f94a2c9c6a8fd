"""The token goes away in a rotation: a batch is refused, nothing changes, and all goes on when it is back."""

import time
from uuid import UUID

import pytest

from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, begin, end, rows
from vault_service.domain.errors import UnavailableError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import BatchRewrapped
from vault_service.kms.service import KeyService

_PATIENCE_S = 30.0


def test_a_batch_without_the_token_changes_nothing_and_goes_on_when_it_is_back(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    people = [enrol(turned, api) for _ in range(2)]
    gen = operator.next("pepper").gen
    rotation = begin(second, to_gen=gen)
    before = rows(turned)
    objects = turned.home / "tokens" / "online" / "objects"
    with Worker.of(turned) as worker:
        objects.rename(objects.with_name("away"))
        try:
            with pytest.raises(UnavailableError):
                worker.rewrap(rotation)
            assert rows(turned) == before
        finally:
            objects.with_name("away").rename(objects)

        done = until_it_goes_on(worker, rotation)

    assert (done.rewrapped, done.failed) == (3 * len(people), 0)
    assert operator.census("pepper", gen - 1) == {}
    end(second, rotation)
    assert all(person.opens_with(person.password) for person in people)


def until_it_goes_on(worker: Worker, rotation: UUID) -> BatchRewrapped:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return worker.rewrap(rotation)
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

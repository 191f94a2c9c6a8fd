"""kill -9 of the key service after each step of a changed data key: one key, or two that both open (P9)."""

from uuid import UUID

import pytest

from tests.kms.test_kill_at_each_step import Check, answered, kill_at_each_step
from tests.promises.inside import rows_of
from tests.rig.people import enrol, kms_of
from tests.rig.vault import Vault
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.rotation_messages import AddDataKey, DataKeyAdded, DropDataKey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_new_data_key_is_there_with_the_older_one_or_not_at_all(own_vault: Vault) -> None:
    kms = kms_of(own_vault)
    person = enrol(own_vault, kms)
    known: dict[UUID, bytes] = {}

    def attempt(step: int) -> Check:
        before = person.unlock()
        known[before.dek_id] = before.dek
        done = answered(lambda: kms.call(AddDataKey(person.user, person.password), DataKeyAdded))

        def check() -> None:
            after = person.unlock()
            added = after.epoch - before.epoch
            assert added == 1 or (added == 0 and not done), f"killed after step {step}"
            keys = {each.dek_id: each.dek for each in after.older} | {after.dek_id: after.dek}
            assert {dek: keys[dek] for dek in known if dek in keys} == {
                dek: key for dek, key in known.items() if dek in keys
            }
            assert before.dek_id in keys
            assert len(rows_of(own_vault.keys, "deks", person.user)) == len(keys)
            for dek in keys.keys() - {after.dek_id}:  # or a fifth would be refused
                kms.call(DropDataKey(person.user, dek, after.unlock_id), Done)

        return check

    assert kill_at_each_step(own_vault, "add_data_key", attempt) > 10


def test_an_older_data_key_is_dropped_or_opens(own_vault: Vault) -> None:
    kms = kms_of(own_vault)
    person = enrol(own_vault, kms)

    def attempt(step: int) -> Check:
        before = person.unlock()
        kms.call(AddDataKey(person.user, person.password), DataKeyAdded)
        opened = person.unlock()
        request = DropDataKey(person.user, before.dek_id, opened.unlock_id)
        done = answered(lambda: kms.call(request, Done))

        def check() -> None:
            kept = {each.dek_id: each.dek for each in person.unlock().older}
            assert kept in ({}, {before.dek_id: before.dek}), f"killed after step {step}"
            assert not (kept and done)
            kms.call(request, Done)  # the retry, whatever the first one left
            assert person.unlock().older == ()

        return check

    assert kill_at_each_step(own_vault, "drop_data_key", attempt) > 2

"""Databases of different times, damaged rows and retries, while a data key is changed and afterwards."""

import contextlib

import msgspec
import pytest

from tests.rig.put_back import backup_of
from tests.rotation.data_keys import PHONE, Api, Owner
from vault_service.domain.errors import IdempotencyConflictError, IntegrityError, LoginRefusedError
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.rotation_errors import DataKeyGoneError
from vault_service.domain.tokens import SessionToken
from vault_service.records.store import Operation, Record
from vault_service.storage.records.reencrypt import count_under


def changed(owner: Owner) -> None:
    owner.change()
    while owner.api.accounts.continue_data_key(owner.sign_in()).remaining:
        pass
    assert owner.deks() == 1


def test_a_restored_older_records_database_says_that_the_key_is_gone(api: Api) -> None:
    owner = api.somebody(records=3)
    restore = backup_of(api.vault.records, owner.user)
    changed(owner)

    restore()

    token = owner.sign_in()
    for act in (
        lambda: api.store.read(token, owner.kept[0]),
        lambda: api.store.replace(token, owner.kept[0], b'{"full_name": "x"}'),
        lambda: api.store.batch(token, [Operation("read", owner.kept[0])], atomic=True),
    ):
        with pytest.raises(DataKeyGoneError):
            act()
    page = api.store.find(token)
    assert (page.items, page.broken) == ((), owner.kept)
    lines = [msgspec.json.decode(line) for line in api.store.export(token)]
    assert [line.get("error") for line in lines] == ["integrity"] * 3 + [None]
    assert R.RECORD_INTEGRITY_FAILED in {kind for kind, _ in owner.records_events()}
    new = api.contact(token, 9)
    assert b"Number 9" in api.store.read(token, new).fields


def test_a_restored_older_keys_database_begins_no_session(api: Api) -> None:
    """It would open the older key, under which nothing is any more: the floor is above its epoch."""
    owner = api.somebody(records=3)
    restore = backup_of(api.vault.keys, owner.user)
    changed(owner)

    restore()

    with pytest.raises(LoginRefusedError):
        owner.sign_in()


def test_a_keys_database_of_half_way_goes_on_by_itself(api: Api) -> None:
    owner = api.somebody(records=3)
    owner.change()
    restore = backup_of(api.vault.keys, owner.user)
    changed_token = owner.sign_in()
    assert owner.deks() == 1, "signing in did it all"

    restore()

    assert owner.deks() == 2
    assert owner.names(changed_token) == owner.all_names()
    assert owner.names(owner.sign_in()) == owner.all_names()
    assert owner.deks() == 1


def test_both_databases_of_half_way_go_on_by_themselves(api: Api) -> None:
    owner = api.somebody(records=7)
    owner.change()
    owner.sign_in()
    restores = [backup_of(database, owner.user) for database in (api.vault.keys, api.vault.records)]
    owner.sign_in()
    owner.sign_in()
    assert owner.deks() == 1

    for restore in restores:
        restore()

    token = owner.sign_in()
    assert owner.names(token) == owner.all_names()
    assert api.accounts.continue_data_key(token).remaining == 0
    assert owner.names(token) == owner.all_names()


def test_a_record_that_does_not_open_keeps_the_older_key_until_it_is_deleted(api: Api) -> None:
    """It may be put right from a backup as long as the key is there."""
    owner = api.somebody(records=5)
    damaged, sound = owner.kept[1], [record for n, record in enumerate(owner.kept) if n != 1]
    flip = (
        "UPDATE records SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) WHERE record_id = %(r)s"
    )
    owner.records(flip, r=damaged)
    owner.change()
    token = owner.sign_in()

    for _ in range(2):
        progress = api.accounts.continue_data_key(token)
        assert (progress.remaining, progress.unreadable) == (0, 1)
    assert owner.deks() == 2
    for record in sound:
        api.store.read(token, record)
    with pytest.raises(IntegrityError):
        api.store.read(token, damaged)

    owner.records(flip, r=damaged)  # put right
    assert api.accounts.continue_data_key(token).unreadable == 0
    assert owner.deks() == 1
    assert owner.names(token) == owner.all_names()


def test_deleting_what_does_not_open_lets_the_older_key_go(api: Api) -> None:
    owner = api.somebody(records=1)
    owner.records("UPDATE records SET sealed = sealed || '\\x00' WHERE user_id = %(user)s")
    owner.change()
    token = owner.sign_in()
    assert owner.deks() == 2

    api.store.delete(token, owner.kept[0])

    assert api.accounts.continue_data_key(token).remaining == 0
    assert owner.deks() == 1


def test_a_session_that_does_not_know_a_key_never_drops_it(api: Api) -> None:
    """Somebody altered the kept key: what is under it is counted as gone, and stays where it is."""
    owner = api.somebody(records=2)
    owner.change()
    owner.keys("UPDATE deks SET kept = set_byte(kept, 50, get_byte(kept, 50) # 1) WHERE user_id = %(user)s")
    token = owner.sign_in()

    assert api.accounts.continue_data_key(token).remaining == 0
    assert owner.deks() == 2
    with contextlib.suppress(DataKeyGoneError):
        owner.names(token)
    owner.keys("UPDATE deks SET kept = set_byte(kept, 50, get_byte(kept, 50) # 1) WHERE user_id = %(user)s")
    assert owner.names(owner.sign_in()) == owner.all_names()


def test_a_rule_that_was_narrowed_since_holds_up_no_record(api: Api) -> None:
    owner = api.somebody(records=1)
    owner.change()
    collections = api.parts.policies.collections
    narrow = msgspec.structs.replace(collections["contact"], fields={"full_name": "text"}, searchable=())
    narrowed = api.with_collections({**collections, "contact": narrow})

    token = narrowed.accounts.sign_in(
        api.vault.app_key, owner.login, "seven lamps over the quiet harbour"
    ).token

    assert owner.deks() == 1
    assert owner.names(token) == owner.all_names()


def test_a_retry_gets_the_first_answer_while_the_older_key_is_there_and_never_a_second_effect(
    api: Api,
) -> None:
    owner = api.somebody(records=4)
    fields = msgspec.json.encode({"full_name": "Once", "phone": PHONE})

    def create(token: SessionToken) -> tuple[Record, bool]:
        return api.store.create(token, "contact", fields, idempotency_key="a-key")

    first, _ = create(owner.token)
    owner.change()
    token = owner.sign_in()
    assert owner.deks() == 2
    again, is_retry = create(token)
    assert (again.record, again.fields, is_retry) == (first.record, first.fields, True)
    with pytest.raises(IdempotencyConflictError):
        api.store.create(token, "contact", b'{"full_name": "Other"}', idempotency_key="a-key")

    api.accounts.continue_data_key(token)

    with pytest.raises(IdempotencyConflictError):
        create(token)
    session = owner.session(token)
    with api.parts.db.connection() as conn:
        assert count_under(conn, owner.user, [session.dek.dek]) == {session.dek.dek: 5}

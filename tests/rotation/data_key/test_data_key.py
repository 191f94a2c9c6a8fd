"""A user's data key is changed: both keys open until the last record is under the new one."""

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest
from psycopg import sql

from tests.rotation.data_keys import PHONE, Api, Owner
from vault_service.domain.errors import LoginRefusedError, SessionRefusedError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.tokens import SessionToken
from vault_service.records.store import Operation


@pytest.fixture
def half_way(api: Api) -> tuple[Owner, SessionToken]:
    """Seven records, of which signing in re-encrypted three."""
    owner = api.somebody(records=7)
    owner.change()
    return owner, owner.sign_in()


def test_a_data_key_is_changed_whole(api: Api) -> None:
    owner = api.somebody(records=7)
    old = owner.session(owner.token).dek

    owner.change()

    with pytest.raises(SessionRefusedError):
        owner.session(owner.token)
    signed_in = api.accounts.sign_in(api.vault.app_key, owner.login, "seven lamps over the quiet harbour")
    token = signed_in.token
    session = owner.session(token)
    assert [key.dek for key in session.keys.older] == [old.dek]
    assert session.dek.key != old.key
    assert signed_in.data_key_remaining == 4
    assert owner.under() == {old.dek: 4, session.dek.dek: 3}
    assert owner.names(token) == owner.all_names()

    progress = api.accounts.continue_data_key(token)

    assert (progress.remaining, progress.unreadable) == (0, 0)
    assert owner.under() == {session.dek.dek: 7}
    assert owner.deks() == 1
    assert owner.session(token).keys.older == ()
    assert owner.names(token) == owner.all_names()
    assert owner.keys_events() == [
        K.USER_ENROLLED, K.UNLOCKED, K.DATA_KEY_ADDED, K.UNLOCKED, K.DATA_KEY_DROPPED,
    ]  # fmt: skip
    told = [
        event for event in owner.records_events() if event[0] in (R.DATA_KEY_CHANGED, R.RECORDS_REENCRYPTED)
    ]
    assert told == [(R.DATA_KEY_CHANGED, 1), *((R.RECORDS_REENCRYPTED, n) for n in (2, 1, 2, 2, 0))]


@pytest.fixture
def slow_to_look(api: Api) -> Iterator[Callable[[Owner], None]]:
    """To look at one record of this user takes longer than a request's statements may."""

    def slow(owner: Owner) -> None:
        with api.vault.records.superuser() as conn:
            conn.execute(
                """CREATE FUNCTION public.slowly() RETURNS boolean LANGUAGE plpgsql
                   AS $$ BEGIN PERFORM pg_sleep(1.4); RETURN true; END $$"""
            )
            policy = sql.SQL("CREATE POLICY slowly ON records USING (user_id <> {} OR public.slowly())")
            conn.execute(policy.format(owner.user))
            conn.execute("ALTER TABLE records ENABLE ROW LEVEL SECURITY")

    yield slow
    with api.vault.records.superuser() as conn:
        conn.execute("ALTER TABLE records DISABLE ROW LEVEL SECURITY")
        conn.execute("DROP FUNCTION public.slowly() CASCADE")


def test_whoever_has_very_many_records_comes_to_the_end_too(
    api: Api, slow_to_look: Callable[[Owner], None]
) -> None:
    """What is left is looked for and counted among all of them."""
    owner = api.rule(at_sign_in=0).somebody(records=1)
    owner.change()
    token = owner.sign_in()
    with api.vault.records.superuser() as conn:
        conn.execute("UPDATE records SET sealed = 'altered' WHERE user_id = %s", [owner.user])
    slow_to_look(owner)

    progress = owner.api.accounts.continue_data_key(token)

    assert (progress.remaining, progress.unreadable) == (0, 1)


def test_a_wrong_password_changes_nothing(api: Api) -> None:
    owner = api.somebody(records=1)

    with pytest.raises(LoginRefusedError):
        owner.change(password="not the password at all")

    assert owner.names(owner.token) == owner.all_names()
    assert owner.deks() == 1
    assert owner.records("SELECT FROM intents WHERE user_id = %(user)s") == []
    assert owner.keys_events()[-1] is K.DATA_KEY_CHANGE_REFUSED


def test_lists_searches_and_exports_find_records_under_both_keys(
    half_way: tuple[Owner, SessionToken],
) -> None:
    owner, token = half_way
    store = owner.api.store
    assert len(owner.under()) == 2

    listed = store.find(token, collection="contact", limit=5)
    rest = store.find(token, collection="contact", limit=5, cursor=listed.next_cursor)
    searched = store.find(token, collection="contact", where=[("phone", PHONE), ("full_name", "number 6")])
    everything = store.find(token, collection="contact", where=[("phone", PHONE)], limit=50)
    lines = [msgspec.json.decode(line) for line in store.export(token)]

    found = [record.record for page in (listed, rest) for record in page.items]
    assert found == list(owner.kept)
    assert [record.record for record in searched.items] == [owner.kept[6]]
    assert [record.record for record in everything.items] == list(owner.kept)
    assert [line.get("record_id") for line in lines[:-1]] == [str(record) for record in owner.kept]
    assert lines[-1] == {"records": 7, "end": True}


def test_what_is_written_meanwhile_is_under_the_new_key(half_way: tuple[Owner, SessionToken]) -> None:
    owner, token = half_way
    store, new = owner.api.store, owner.session(token).dek.dek
    owner.api.contact(token, 8)
    assert owner.under()[new] == 4

    store.replace(token, owner.kept[6], b'{"full_name": "Number 6", "phone": "1"}')
    store.patch(token, owner.kept[5], b'{"email": "a@example.org"}')
    results = store.batch(
        token,
        [
            Operation("read", owner.kept[4]),
            Operation("update", owner.kept[3], fields=b'{"full_name": "Number 3"}', if_version=1),
            Operation("read", owner.kept[6]),
        ],
        atomic=True,
    )

    assert [result.error for result in results] == [None, None, None]
    assert owner.under()[new] == 7
    assert store.find(token, collection="contact", where=[("phone", "1")]).items[0].record == owner.kept[6]
    assert owner.api.accounts.continue_data_key(token).remaining == 0
    assert owner.under() == {new: 8}
    assert owner.names(token) == owner.all_names()


def test_re_encryption_changes_neither_versions_nor_times(api: Api) -> None:
    """Whoever holds an ETag can still use it."""
    owner = api.somebody(records=3)
    before = owner.records(
        "SELECT record_id, version, created_at, updated_at FROM records WHERE user_id = %(user)s ORDER BY 1"
    )
    owner.change()
    owner.sign_in()

    after = owner.records(
        "SELECT record_id, version, created_at, updated_at FROM records WHERE user_id = %(user)s ORDER BY 1"
    )
    tags = Counter(
        record for (record,) in owner.records("SELECT record_id FROM record_tags WHERE user_id = %(user)s")
    )
    assert after == before
    assert set(tags.values()) == {2}, "the old tags have gone"

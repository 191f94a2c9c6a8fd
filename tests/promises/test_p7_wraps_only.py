"""P7: a change of password or of login rewrites wraps, never records; only a new data key does."""

import itertools
from uuid import UUID

import pytest

from tests.promises.inside import Row, changed_columns, rows_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.client import UserSession, VaultClient

pytestmark = pytest.mark.slow

NEW_PASSWORD = "a green kettle beside nine ladders"
_numbers = itertools.count(1)


class Ana:
    """Somebody with records of each kind, searchable ones among them."""

    def __init__(self, vault: Vault, client: VaultClient) -> None:
        self.vault = vault
        self.login = f"wraps-{next(_numbers)}@example.org"
        self.user: UUID = client.sign_up(self.login, PASSWORD).user_id
        self.session: UserSession = client.sign_in(self.login, PASSWORD)
        self.session.records.create("contact", {"full_name": "Ana Silva", "email": "ana@example.org"})
        self.session.records.create("note", {"title": "plums", "text": "four kilos"})
        kept = self.session.records.create("note", {"title": "pears"})
        self.session.records.replace(kept.record_id, {"title": "quinces"})

    def data(self) -> list[Row]:
        """All rows that hold the user's data, as they stand on the disk."""
        return [
            *rows_of(self.vault.records, "records", self.user),
            *rows_of(self.vault.records, "record_tags", self.user),
            *rows_of(self.vault.records, "idempotency", self.user),
        ]

    def tags(self) -> set[str]:
        return {row.columns["tag"] for row in rows_of(self.vault.records, "record_tags", self.user)}

    def keys(self) -> dict[str, Row]:
        """The one row in each table of the keys database."""
        return {
            table: row
            for table in ("users", "logins", "credentials", "deks", "escrow_wraps")
            for row in rows_of(self.vault.keys, table, self.user)
        }


@pytest.fixture
def ana(served: Vault, client: VaultClient) -> Ana:
    someone = Ana(served, client)
    assert len(someone.data()) > 6
    return someone


def changed(before: dict[str, Row], after: dict[str, Row]) -> dict[str, set[str]]:
    assert before.keys() == after.keys()
    columns = {table: changed_columns(before[table], after[table]) for table in before}
    return {table: names for table, names in columns.items() if names}


def read_all(session: UserSession) -> list[dict[str, object]]:
    return [record.fields for record in session.records.find()]


def test_a_password_change_rewrites_the_password_wrap_and_nothing_else(ana: Ana, client: VaultClient) -> None:
    data, keys, fields = ana.data(), ana.keys(), read_all(ana.session)

    ana.session.change_password(PASSWORD, NEW_PASSWORD)

    assert ana.data() == data, "bytes and writers of every row are as they were"
    after = changed(keys, ana.keys())
    assert after.pop("credentials") >= {"credential_id", "epoch", "salt", "wrap"}
    assert after == {"users": {"epoch"}}
    with client.sign_in(ana.login, NEW_PASSWORD) as again:
        assert read_all(again) == fields
        assert [r.fields for r in again.records.find(collection="note", where={"title": "plums"})]


def test_a_change_of_login_rewrites_outer_layers_and_keeps_the_epoch(ana: Ana, client: VaultClient) -> None:
    data, keys, fields = ana.data(), ana.keys(), read_all(ana.session)

    ana.session.change_login(PASSWORD, f"moved-{ana.login}")

    assert ana.data() == data, "bytes and writers of every row are as they were"
    assert changed(keys, ana.keys()) == {
        "logins": {"login_index"},
        "users": {"login_index", "sealed_login"},
        "credentials": {"credential_id", "wrap", "used_at", "created_at"},
        "escrow_wraps": {"wrap"},
    }
    assert read_all(ana.session) == fields, "open sessions go on"
    with client.sign_in(f"moved-{ana.login}", PASSWORD) as again:
        assert read_all(again) == fields


def test_a_change_of_the_data_key_alone_rewrites_records_and_of_them_no_more_than_it_must(
    ana: Ana, client: VaultClient
) -> None:
    before, tags = rows_of(ana.vault.records, "records", ana.user), ana.tags()
    fields = read_all(ana.session)

    ana.session.change_data_key(PASSWORD)
    assert rows_of(ana.vault.records, "records", ana.user) == before, "the change itself touches none"
    with client.sign_in(ana.login, PASSWORD) as again:
        assert again.finish_data_key() == 0
        assert read_all(again) == fields

    after = rows_of(ana.vault.records, "records", ana.user)
    for row in before:
        (same,) = [each for each in after if each.columns["record_id"] == row.columns["record_id"]]
        assert changed_columns(row, same) == {"dek_id", "collection_tag", "sealed"}
    assert len(ana.tags()) == len(tags)
    assert not ana.tags() & tags


def test_a_rewritten_record_would_be_noticed(ana: Ana) -> None:
    """The control: the comparison above sees even an update that changes no byte."""
    data = ana.data()
    with ana.vault.records.superuser() as conn:
        conn.execute("UPDATE records SET sealed = sealed WHERE user_id = %(user)s", {"user": ana.user})
    assert ana.data() != data

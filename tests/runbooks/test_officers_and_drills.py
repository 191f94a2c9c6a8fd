"""docs/runbooks/officers.md and drill.md, done as they stand."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from tests.ceremony.test_pin_restored import restore, taken
from tests.rig.people import enrol, kms_of
from tests.runbooks.desk import Desk, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_an_officer_joins_another_gets_a_new_key_and_the_first_is_followed_by_a_third(desk: Desk) -> None:
    for name in ("dora", "emil"):
        desk.passphrase(name)
    ids = {row["name"]: row["officer_id"] for row in desk.look("officer", "list")}
    desk.variables["CLEO"] = ids["cleo"]
    with desk.follow("runbooks/officers.md") as page:
        (made,) = page.run()
        (proposed,) = page.run()
        shown, *_ = page.run()
        assert desk.executed()
        (listed,) = page.run()

        fingerprint = made.out.rsplit(": ", 1)[1].strip()
        for said in (proposed.err, shown.out):
            assert f"adds officer dora with the roles requester, approver, key {fingerprint}" in said
        assert "dora" in listed.out
        assert desk.officers()["dora"] == "yes"

        page.run()
        assert desk.executed()
        page.run()
        assert desk.executed()

    assert desk.officers() == dict.fromkeys(("ana", "bob", "cleo", "emil"), "yes")
    (desk.folder / "cleo-2.key").rename(desk.folder / "cleo.key")


def test_a_drill_that_waits_for_shares_and_one_that_names_a_broken_wrap(desk: Desk) -> None:
    """Between them the database's share sets are put back to an earlier day: the second drill mends that."""
    app = kms_of(desk.vault)
    people = [enrol(desk.vault, app) for _ in range(2)]
    app.close()
    victim = str(people[0].user)
    with desk.follow("runbooks/drill.md") as page:
        desk.stop_ceremonies()
        *_, second = page.run()
        assert "a ceremony has to run" in second.out
        older = taken(desk.vault)
        with backup_of(desk) as backup:
            break_wrap(desk, victim, str(people[1].user))
            desk.start_ceremonies()
            until(desk.waits_for_shares)
            page.run()
            assert desk.executed()
            (shown,) = page.run()
            assert "executed" in shown.out
            assert report(desk)["failed"] == [victim]
            restore(desk.vault, older)
            assert "in the ceremony folder only" in str(desk.doctor())
            keys = desk.vault.keys
            own = keys.dsn("vault_keys_migrator") + f" password={keys.password('vault_keys_migrator')}"
            desk.variables |= {"BACKUP": backup, "KEYS": own, "USER_ID": victim}
            page.run()
            assert desk.executed()

    assert report(desk)["failed"] == []
    assert "in the ceremony folder only" not in str(desk.doctor())
    assert "in time; the last one: 2" in desk.doctor()["recovery drill"]


def report(desk: Desk) -> Any:
    """Of the drill that was executed last."""
    (file,) = (desk.vault.home / "ceremony" / "drills").glob(f"drill-{desk.variables['CASE']}-*.json")
    return json.loads(file.read_bytes())


def break_wrap(desk: Desk, victim: str, other: str) -> None:
    """As somebody does who can write to the keys database."""
    with desk.vault.keys.superuser() as conn:
        conn.execute(
            """UPDATE escrow_wraps SET wrap = (SELECT wrap FROM escrow_wraps WHERE user_id = %s)
               WHERE user_id = %s""",
            (other, victim),
        )


@contextlib.contextmanager
def backup_of(desk: Desk) -> Iterator[str]:
    """A database beside, with the escrow wraps of this moment; its dsn."""
    keys, name = desk.vault.keys, f"{desk.vault.keys.name}_backup"
    dump = ["pg_dump", "--no-owner", "--no-acl", "--section=pre-data", "--section=data", "-t", "escrow_wraps"]
    with keys.server.admin() as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    admin = keys.server.cluster.admin_dsn
    try:
        dumped = subprocess.run([*dump, f"{admin} dbname={keys.name}"], check=True, capture_output=True)
        restore = ["psql", "--quiet", "-v", "ON_ERROR_STOP=1", f"{admin} dbname={name}"]
        subprocess.run(restore, input=dumped.stdout, check=True, capture_output=True)
        yield f"{admin} dbname={name}"
    finally:
        with keys.server.admin() as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

"""Jobs are handed out once each, a few ahead, in so many lanes; and turns are taken at the rate over all."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from psycopg import Connection

from tests.rig.postgres import TestDatabase
from vault_service.storage.keys import rotation_plans as plans
from vault_service.storage.pool import Database

ROTATION = UUID(int=7)
USERS = [UUID(int=1000 + number) for number in range(23)]


@pytest.fixture
def planned(keys_db: TestDatabase) -> Iterator[Database]:
    """The worker's pool, and a running rotation of 23 users with two lanes."""
    with keys_db.superuser() as conn:
        conn.execute("SET session_replication_role = replica")  # users without credentials
        conn.cursor().executemany(
            """INSERT INTO users (user_id, tenant_id, dek_id, epoch, login_index, login_index_gen, pepper_gen,
                                  sealed_login, created_at)
               VALUES (%s, gen_random_uuid(), gen_random_uuid(), 1, decode(repeat('00', 32), 'hex'), 1, 1, '',
                       now())""",
            [(user,) for user in USERS],
        )
        conn.execute(
            """INSERT INTO rotations (rotation_id, kind, to_gen, workers, started_at)
               VALUES (%s, 'pepper', 2, 2, now())""",
            [ROTATION],
        )
    db = keys_db.open("vault_worker_keys")
    with db.connection() as conn:
        plans.begin_plan(conn, ROTATION)
    yield db
    db.close()


def jobs(conn: Connection, column: str = "args->>'upto'") -> list[str]:
    rows = conn.execute(f"SELECT {column} FROM jobs.procrastinate_jobs ORDER BY id".encode())
    return [str(row[0]) for row in rows]


def hand_out(db: Database, *, batch: int = 5, ahead: int = 1) -> int:
    with db.transaction() as conn:
        return plans.hand_out(conn, ROTATION, batch=batch, ahead=ahead)


def finish_jobs(conn: Connection) -> None:
    conn.execute("DELETE FROM jobs.procrastinate_jobs")


def rotation(keys_db: TestDatabase, change: str) -> None:
    with keys_db.superuser() as conn:
        conn.execute(f"UPDATE rotations SET {change}".encode())


def test_every_id_that_there_could_be_is_handed_out_once(planned: Database) -> None:
    ranges: list[tuple[str, str]] = []
    with planned.connection() as conn:
        while hand_out(planned):
            ranges += zip(jobs(conn, "args->>'after'"), jobs(conn), strict=True)
            finish_jobs(conn)
        sweep = plans.find_sweep(conn, ROTATION)

    assert [after for after, _ in ranges[1:]] == [upto for _, upto in ranges[:-1]]
    assert (ranges[0][0], ranges[-1][1]) == (str(plans.FIRST), str(plans.LAST))
    assert [upto for _, upto in ranges[:-1]] == [str(user) for user in USERS[4::5]]
    assert sweep == plans.Sweep(1, True, 0)


def test_there_are_never_more_than_so_many_ahead(planned: Database) -> None:
    assert hand_out(planned, ahead=2) == 4
    assert hand_out(planned, ahead=2) == 0


def test_the_emptiest_lane_is_filled_first(planned: Database) -> None:
    hand_out(planned, ahead=2)
    with planned.connection() as conn:
        conn.execute("DELETE FROM jobs.procrastinate_jobs WHERE lock LIKE '%%/0'")
        hand_out(planned, ahead=2)

        assert sorted(jobs(conn, "lock")) == [f"{ROTATION}/0"] + [f"{ROTATION}/1"] * 2


def test_nobody_hands_out_beside_somebody_else(planned: Database) -> None:
    with planned.transaction() as conn:
        assert plans.hand_out(conn, ROTATION, batch=5, ahead=1) == 2
        assert hand_out(planned) == 0


def test_what_was_not_committed_is_handed_out_again(planned: Database) -> None:
    with planned.transaction() as conn:
        plans.hand_out(conn, ROTATION, batch=5, ahead=1)
        conn.execute("ROLLBACK AND CHAIN")

    assert hand_out(planned) == 2


@pytest.mark.parametrize("state", ["paused", "finished"])
def test_nothing_is_handed_out_of_what_does_not_run(
    planned: Database, keys_db: TestDatabase, state: str
) -> None:
    rotation(keys_db, f"state = '{state}'")

    assert hand_out(planned) == 0


def test_with_fewer_workers_jobs_change_to_a_lane_that_there_is(
    planned: Database, keys_db: TestDatabase
) -> None:
    hand_out(planned)
    rotation(keys_db, "workers = 1")
    with planned.connection() as conn:
        assert plans.let_jobs_go(conn, ROTATION) == 1
        assert plans.let_jobs_go(conn, ROTATION) == 0
        assert jobs(conn, "lock") == [f"{ROTATION}/0"] * 2

        # A lock that somebody made up does not end the loop for everybody: it gets a lane like the others.
        conn.execute("UPDATE jobs.procrastinate_jobs SET lock = 'no lane/at all'")
        plans.hold_jobs(conn, ROTATION)
        assert plans.let_jobs_go(conn, ROTATION) == 2
        assert jobs(conn, "lock") == [f"{ROTATION}/0"] * 2


def test_another_sweep_follows_once_for_each_and_later_each_time(planned: Database) -> None:
    with planned.connection() as conn:
        hand_out(planned, ahead=100)
        plans.sweep_again(conn, ROTATION, 2)  # not the one that ended
        assert plans.find_sweep(conn, ROTATION) == plans.Sweep(1, True, 5)
        finish_jobs(conn)
        for _ in range(2):  # two workers see the same
            plans.sweep_again(conn, ROTATION, 1)
        assert plans.find_sweep(conn, ROTATION) == plans.Sweep(2, False, 0)
        assert hand_out(planned) == 0
        conn.execute("UPDATE rotation_plans SET not_before = not_before - interval '1 s'")
        assert hand_out(planned) == 2


def turns(planned: Database, number: int, users: int = 50) -> list[float]:
    with planned.transaction() as conn:
        return [round(plans.take_turn(conn, ROTATION, users)[1], 3) for _ in range(number)]


def test_turns_are_as_far_apart_as_the_rate_says(planned: Database, keys_db: TestDatabase) -> None:
    """All in one transaction, so that the database's clock stands still."""
    rotation(keys_db, "rate = 100, workers = 8")

    assert turns(planned, 4) == [0.0, 0.5, 1.0, 1.5]


def test_without_a_rate_every_turn_is_at_once(planned: Database) -> None:
    assert turns(planned, 3) == [0.0, 0.0, 0.0]


def test_a_clock_that_was_set_back_delays_nobody_for_longer_than_all_lanes_turns(
    planned: Database, keys_db: TestDatabase
) -> None:
    rotation(keys_db, "rate = 100, next_at = now() + interval '1 day'")

    assert turns(planned, 1) == [1.0]


def test_a_worker_that_lives_keeps_its_job_and_one_that_died_does_not(planned: Database) -> None:
    hand_out(planned)
    with planned.connection() as conn:
        conn.execute(
            """WITH w AS (INSERT INTO jobs.procrastinate_workers (last_heartbeat)
                          VALUES (now()), (now() - interval '1 min') RETURNING id)
               UPDATE jobs.procrastinate_jobs j SET status = 'doing', worker_id = n.id
               FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM w) n,
                    (SELECT id, row_number() OVER (ORDER BY id) AS n FROM jobs.procrastinate_jobs) m
               WHERE m.id = j.id AND m.n = n.n"""
        )
        assert plans.take_up_stalled(conn) == 1
        assert plans.take_up_stalled(conn) == 0
        assert jobs(conn, "status::text") == ["doing", "todo"]

"""Hand the users of a rotation out as jobs: in the order of their ids, a few batches ahead of the workers.

A job says (after, upto]: every user whose id lies between. The plan of a sweep begins before the first id and
ends with the last possible one, so that whoever signs up meanwhile is within it too. The plan's row moves in
the transaction that adds the jobs: each range is handed out once in a sweep, wherever a worker dies.

At most `workers` batches run at once, however many workers there are: each job takes one of so many lanes,
and the queue runs one job of a lane at a time (procrastinate's lock).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from psycopg import Connection

from vault_service.domain.rotation import RotationState

QUEUE, TASK = "rotation", "rewrap_batch"
FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
DEAD_S = 10.0
"""A worker without a heartbeat for so long is gone."""
HELD_UNTIL: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Not before the rotation is resumed."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Where the newest sweep of a rotation is."""

    number: int
    is_handed_out: bool
    waiting: int  # jobs that are not done


def begin_plan(conn: Connection, rotation: UUID) -> None:
    """The first sweep, unless there is one."""
    conn.execute(
        "INSERT INTO rotation_plans (rotation_id) VALUES (%(id)s) ON CONFLICT DO NOTHING", {"id": rotation}
    )


def hand_out(conn: Connection, rotation: UUID, *, batch: int, ahead: int) -> int:
    """Add jobs until `ahead` wait for each lane; returns how many. Nothing while another worker does it.

    `batch`: users in a job. In a transaction.
    """
    plan = conn.execute(
        """SELECT upto FROM rotation_plans
           WHERE rotation_id = %(id)s AND (not_before <= now() OR not_before > now() + interval '5 min')
           FOR UPDATE SKIP LOCKED""",
        {"id": rotation},
    ).fetchone()
    running = conn.execute(
        "SELECT workers FROM rotations WHERE rotation_id = %(id)s AND state = 'running'", {"id": rotation}
    ).fetchone()
    if plan is None or running is None or plan[0] == LAST:
        return 0
    lanes = _room(conn, rotation, int(running[0]), ahead)
    if not lanes:
        return 0
    ends = _ends(conn, plan[0], batch, len(lanes))
    lanes = lanes[: len(ends)]
    conn.execute(
        """SELECT jobs.procrastinate_defer_jobs_v1(array_agg(ROW(%(queue)s, %(task)s, 0, j.lane, NULL,
             jsonb_build_object('rotation', %(id)s::text, 'after', j.after, 'upto', j.upto),
             NULL)::jobs.procrastinate_job_to_defer_v1 ORDER BY j.upto))
           FROM unnest(%(lanes)s::text[], %(after)s::uuid[], %(upto)s::uuid[]) AS j (lane, after, upto)""",
        {
            "queue": QUEUE,
            "task": TASK,
            "id": rotation,
            "lanes": [_lane(rotation, lane) for lane in lanes],
            "after": [plan[0], *ends[:-1]],
            "upto": ends,
        },
    )
    conn.execute(
        "UPDATE rotation_plans SET upto = %(upto)s WHERE rotation_id = %(id)s",
        {"upto": ends[-1], "id": rotation},
    )
    return len(ends)


def find_sweep(conn: Connection, rotation: UUID) -> Sweep | None:
    """How far it is handed out, and how much of that is not done."""
    row = conn.execute(
        """SELECT sweep, upto = %(last)s, (SELECT count(*) FROM jobs.procrastinate_jobs
                    WHERE args->>'rotation' = %(id)s::text AND status IN ('todo', 'doing'))
           FROM rotation_plans WHERE rotation_id = %(id)s""",
        {"id": rotation, "last": LAST},
    ).fetchone()
    return Sweep(int(row[0]), bool(row[1]), int(row[2])) if row else None


def sweep_again(conn: Connection, rotation: UUID, sweep: int) -> None:
    """Over all users once more, after a wait that doubles (1 to 64 s); once for each sweep."""
    conn.execute(
        """UPDATE rotation_plans SET sweep = sweep + 1, upto = %(first)s,
             not_before = now() + interval '1 s' * power(2, least(sweep - 1, 6))
           WHERE rotation_id = %(id)s AND sweep = %(sweep)s AND upto = %(last)s""",
        {"id": rotation, "sweep": sweep, "first": FIRST, "last": LAST},
    )


def hold_jobs(conn: Connection, rotation: UUID) -> int:
    """No job that has not begun begins before it is let go again; returns how many were held."""
    return conn.execute(
        """UPDATE jobs.procrastinate_jobs SET scheduled_at = %(until)s
           WHERE args->>'rotation' = %(id)s::text AND status = 'todo'
             AND scheduled_at IS DISTINCT FROM %(until)s""",
        {"id": rotation, "until": HELD_UNTIL},
    ).rowcount


def let_jobs_go(conn: Connection, rotation: UUID) -> int:
    """What was held may begin, in a lane that there still is; returns how many jobs changed."""
    return conn.execute(
        """UPDATE jobs.procrastinate_jobs j
           SET scheduled_at = NULL,
               lock = %(id)s::text || '/'
                 || (coalesce(substring(j.lock FROM '/([0-9]{1,4})$')::integer, 0) %% r.workers)
           FROM rotations r
           WHERE r.rotation_id = %(id)s AND r.state = 'running' AND j.args->>'rotation' = %(id)s::text
             AND j.status = 'todo'
             AND (j.scheduled_at = %(until)s
                  OR substring(j.lock FROM '/([0-9]{1,4})$')::integer >= r.workers)""",
        {"id": rotation, "until": HELD_UNTIL},
    ).rowcount


def drop_ended(conn: Connection) -> None:
    """Plans and jobs of rotations that are not under way; a job that is being done ends by itself."""
    conn.execute(
        """DELETE FROM rotation_plans p USING rotations r
           WHERE r.rotation_id = p.rotation_id AND r.state = 'finished'"""
    )
    conn.execute(
        """DELETE FROM jobs.procrastinate_jobs j
           WHERE status <> 'doing' AND NOT EXISTS (SELECT FROM rotations r
             WHERE r.rotation_id::text = j.args->>'rotation' AND r.state <> 'finished')"""
    )


def take_up_stalled(conn: Connection) -> int:
    """Give back to the queue what workers had begun that are gone; returns how many jobs.

    One that was only slow may come back and end the same job: what is done twice is found done. A heartbeat
    of the future is none: the database's clock was set back, and a worker that lives tells of itself again.
    """
    return conn.execute(
        """UPDATE jobs.procrastinate_jobs j
           SET status = 'todo', scheduled_at = NULL, attempts = attempts + 1, worker_id = NULL
           WHERE status = 'doing' AND queue_name = %(queue)s
             AND NOT EXISTS (SELECT FROM jobs.procrastinate_workers w WHERE w.id = j.worker_id
                             AND w.last_heartbeat BETWEEN now() - interval '1 s' * %(dead)s
                                                      AND now() + interval '1 s' * %(dead)s)""",
        {"queue": QUEUE, "dead": DEAD_S},
    ).rowcount


def take_turn(conn: Connection, rotation: UUID, users: int) -> tuple[RotationState, float]:
    """When a batch of so many users may begin, in seconds from now, at the rate over all workers.

    The database's clock alone counts: a worker's may be wrong. A clock that was set back, or a worker that
    died with its turn, delays nobody for longer than all lanes' turns.
    """
    row = conn.execute(
        "SELECT state, rate FROM rotations WHERE rotation_id = %(id)s", {"id": rotation}
    ).fetchone()
    if row is None:
        return "finished", 0.0
    state: RotationState = row[0]
    if state != "running" or row[1] == 0:
        return state, 0.0
    turn = conn.execute(
        """UPDATE rotations r SET next_at = t.begins + t.step
           FROM (SELECT rotation_id, s.step,
                        greatest(now(), least(coalesce(next_at, now()), now() + s.step * workers)) AS begins
                 FROM rotations, LATERAL (SELECT interval '1 s' * (%(users)s::float8 / rate) AS step) s
                 WHERE rotation_id = %(id)s AND rate > 0 FOR UPDATE OF rotations) t
           WHERE r.rotation_id = t.rotation_id RETURNING extract(epoch FROM t.begins - now())::float8""",
        {"id": rotation, "users": users},
    ).fetchone()
    return state, float(turn[0]) if turn else 0.0


def database_time(conn: Connection) -> datetime:
    """By the clock that all workers share."""
    row = conn.execute("SELECT now()").fetchone()
    if row is None:
        raise TypeError("now() gives a row")
    time: datetime = row[0]
    return time


def _lane(rotation: UUID, lane: int) -> str:
    return f"{rotation}/{lane}"


def _room(conn: Connection, rotation: UUID, workers: int, ahead: int) -> list[int]:
    """The lanes of the next jobs, emptiest first."""
    rows = conn.execute(
        """SELECT lock, count(*) FROM jobs.procrastinate_jobs
           WHERE args->>'rotation' = %(id)s::text AND status IN ('todo', 'doing') GROUP BY lock""",
        {"id": rotation},
    )
    waiting = {str(lock): int(count) for lock, count in rows}
    room = [
        (depth, lane)
        for lane in range(workers)
        for depth in range(waiting.get(_lane(rotation, lane), 0), ahead)
    ]
    return [lane for _, lane in sorted(room)]


def _ends(conn: Connection, after: UUID, batch: int, most: int) -> list[UUID]:
    """Up to so many batches' last ids; the very last id where no user follows."""
    rows = conn.execute(
        """SELECT user_id FROM (
             SELECT user_id, row_number() OVER (ORDER BY user_id) AS n
             FROM (SELECT user_id FROM users WHERE user_id > %(after)s
                   ORDER BY user_id LIMIT %(limit)s) u) v
           WHERE n %% %(batch)s = 0 ORDER BY user_id""",
        {"after": after, "batch": batch, "limit": batch * most},
    ).fetchall()
    ends = [row[0] for row in rows]
    if len(ends) < most:
        ends.append(LAST)
    return ends

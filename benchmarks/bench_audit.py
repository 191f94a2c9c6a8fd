"""A log that grows to millions of leaves: does anything get slower, or need more memory, on the way?

    python benchmarks/bench_audit.py [MILLIONS]

Events are inserted in bulk into a private PostgreSQL (durable, with its defaults); then they are made
leaves by the worker's own code in batches of the policy's size, and after each batch the new root and
the proof that the key service asks for are made, as in a turn. Times of the inserts are left out.
"""

import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from vault_service.dev import process
from vault_service.dev.cluster import Cluster
from vault_service.policy.load import load_policies
from vault_service.storage.audit.checkpoints import backlog
from vault_service.storage.audit.cursor import survey
from vault_service.storage.audit.sequence import sequence
from vault_service.storage.audit.tiles import tile_reader
from vault_service.storage.migrate import migrate
from vault_service.storage.pool import Database, open_database
from vault_service.storage.roles import LAYOUTS, create_server_roles
from vault_service.tlog import tiles

STEP = 1_000_000
PROOFS = 200
LAYOUT = LAYOUTS["records"]
ROLE = "vault_worker_records"
_HEADER = "   leaves  leaves/s  turn ms  inclusion ms  consistency ms  idle turn ms  memory MiB"


def insert_events(dsn: str, begin: int, count: int) -> None:
    """In transactions of a thousand events each, as if a thousand writers had been at work."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for first in range(begin, begin + count, 1000):
            conn.execute(
                """INSERT INTO audit_events (user_id, event_id, kind, at, app_id, session_id, record_id)
                   SELECT gen_random_uuid(), gen_random_uuid(), 11,
                          '2026-01-01Z'::timestamptz + n * interval '1 ms',
                          gen_random_uuid(), gen_random_uuid(), gen_random_uuid()
                   FROM generate_series(%s::bigint, %s::bigint) n""",
                [first, first + 999],
            )


def seal(db: Database, batch: int) -> list[float]:
    """Turn by turn until nothing waits; seconds of each."""
    turns: list[float] = []
    while True:
        began = time.perf_counter()
        with db.connection() as conn:
            before = survey(conn).tree.size
        done = sequence(db, "records", batch)
        with db.connection() as conn:
            tiles.root(tile_reader(conn), done.size)
            tiles.consistency_proof(tile_reader(conn), before, done.size)
            backlog(conn)
        turns.append(time.perf_counter() - began)
        if done.ended_below is not None:
            return turns


def proof_times(db: Database, size: int, dice: random.Random) -> tuple[float, float]:
    """Medians, in milliseconds, of inclusion and of consistency proofs."""
    inclusion: list[float] = []
    consistency: list[float] = []
    with db.connection() as conn:
        read = tile_reader(conn)
        for _ in range(PROOFS):
            began = time.perf_counter()
            tiles.inclusion_proof(read, dice.randrange(size), size)
            inclusion.append(time.perf_counter() - began)
            began = time.perf_counter()
            tiles.consistency_proof(read, dice.randrange(1, size), size)
            consistency.append(time.perf_counter() - began)
    return statistics.median(inclusion) * 1000, statistics.median(consistency) * 1000


def idle_time(db: Database) -> float:
    """Median, in milliseconds, of what an idle log's turn asks of its database."""
    times: list[float] = []
    for _ in range(50):
        began = time.perf_counter()
        with db.connection() as conn:
            survey(conn)
            backlog(conn)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def grow(dsn: str, db: Database, millions: int) -> None:
    """Print a line for each million."""
    batch = load_policies(Path(__file__).parent.parent / "policies").audit.sealing.batch
    dice = random.Random(1)
    print(_HEADER)
    for million in range(millions):
        insert_events(dsn, million * STEP, STEP)
        turns = seal(db, batch)
        size = (million + 1) * STEP
        inclusion, consistency = proof_times(db, size, dice)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{size:9,}  {STEP / sum(turns):8,.0f}  {statistics.median(turns) * 1000:7.1f}"
            f"  {inclusion:12.2f}  {consistency:14.2f}  {idle_time(db):12.2f}  {memory:10.0f}",
            flush=True,
        )


def main(millions: int) -> None:
    """A cluster of its own, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-audit-"))
    folder.chmod(0o755)
    user = process.find_user("postgres") if process.current_user().uid == 0 else process.current_user()
    for name, mode in (("postgres", 0o700), ("sockets", 0o755)):
        (folder / name).mkdir()
        process.give(folder / name, user, mode)
    cluster = Cluster(folder / "postgres", folder / "sockets", folder / "superuser.password", user)
    cluster.create()
    server = cluster.start(folder / "postgres.log")
    try:
        files = create_server_roles(cluster.admin_dsn, "records", folder / "passwords")

        def dsn(role: str) -> str:
            return f"host={cluster.sockets} dbname={LAYOUT.database} user={role}"

        migrate(dsn(LAYOUT.migrator), files[LAYOUT.migrator].read_text("ascii"), "records")
        db = open_database(dsn(ROLE), files[ROLE].read_text("ascii"), size=2, name="records")
        grow(make_conninfo(cluster.admin_dsn, dbname=LAYOUT.database), db, millions)
        db.close()
    finally:
        cluster.stop(server)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

"""How fast the wraps of users get to a new pepper, against the least that it could take.

The floor of a batch: the same number of bare HMACs in the same token, then bare UPDATEs of the same rows in
a copy of the same database, in one transaction as large. Floor and rotation take turns batch by batch, so
that whatever else the machine does slows both. Everything is in one thread of one process: neither gains by
a second processor.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks.rotation_home import Home
from benchmarks.rotation_people import add_people
from vault_service.domain.ids import NOBODY, UserId, new_uuid
from vault_service.kms.protocol.rotation_messages import CreateKey, MakeKeyCurrent, RewrapBatch
from vault_service.kms.rotation.generations import create_key, make_key_current
from vault_service.kms.rotation.rewrap import rewrap_batch
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.keyring import pepper_label
from vault_service.storage.keys.rotations import StoredRotation, insert_rotation, move_rotation

_WRAPS = 3  # of each user: password, escrow, login
_MESSAGE = os.urandom(140)  # as long as an outer context
_UPDATES = (
    ("UPDATE credentials t SET wrap = n.new, pepper_gen = %(gen)s", 154),
    ("UPDATE users t SET sealed_login = n.new, pepper_gen = %(gen)s", 105),
    ("UPDATE escrow_wraps t SET wrap = n.new, pepper_gen = %(gen)s", 174),
)
_FROM = " FROM unnest(%(users)b::uuid[], %(new)b::bytea[]) AS n (id, new) WHERE t.user_id = n.id"


@dataclass
class Measured:
    """Seconds, and what they were spent on."""

    users: int
    hmac_s: float = 0.0
    update_s: float = 0.0
    rotation_s: float = 0.0
    rotation_cpu_s: float = 0.0  # of this process: PostgreSQL's is not in it
    memory: list[int] = field(default_factory=list)  # KiB

    @property
    def wraps(self) -> int:
        return self.users * _WRAPS

    @property
    def ratio(self) -> float:
        """Of the floor's rate."""
        return (self.hmac_s + self.update_s) / self.rotation_s

    @property
    def flat(self) -> float:
        """How much the memory grew after the first tenth of the batches: 1.0 is not at all."""
        rest = self.memory[len(self.memory) // 10 :]
        return max(rest) / rest[0]


def measure(home: Home, users: int, *, batch: int) -> Measured:
    """Bring the keys database to so many users, then rotate them."""
    with home.vault.keys.superuser() as conn, home.key_service() as service:
        row = conn.execute("SELECT count(*) FROM users").fetchone()
        there = int(str(row[0])) if row else 0
        add_people(conn, service, users - there)
        create_key(service, CreateKey("pepper"))
        gen = max(key.gen for key in service.manifests.fresh().keys.pepper)
        make_key_current(service, MakeKeyCurrent("pepper", gen))
    with home.copy() as copy, home.key_service() as service, copy.connect("vault_kms") as floor:
        return _rotate(service, floor, users, gen, batch)


def _rotate(
    service: KeyService, floor: "psycopg.Connection[tuple[object, ...]]", users: int, gen: int, batch: int
) -> Measured:
    found, rotation, after = Measured(users), new_uuid(), NOBODY
    row = StoredRotation(rotation, "pepper", gen, "running", 0, 1, users, 0, 0, service.now(), None, None)
    with service.db.transaction() as conn:
        insert_rotation(conn, row)
    while ids := _next(floor, after, batch):
        found.hmac_s += _bare_hmacs(service, gen, len(ids) * _WRAPS)
        found.update_s += _bare_updates(floor, ids, gen)
        began, cpu = time.perf_counter(), time.process_time()
        done = rewrap_batch(service, RewrapBatch(rotation, after, ids[-1]))
        found.rotation_s += time.perf_counter() - began
        found.rotation_cpu_s += time.process_time() - cpu
        if (done.rewrapped, done.failed) != (len(ids) * _WRAPS, 0):
            raise AssertionError(done)
        found.memory.append(_memory_kib())
        after = UserId(ids[-1])
    with service.db.transaction() as conn:
        move_rotation(conn, rotation, "running", "finished", service.now())
    return found


def _next(conn: "psycopg.Connection[tuple[object, ...]]", after: UUID, batch: int) -> list[UUID]:
    rows = conn.execute(
        "SELECT user_id FROM users WHERE user_id > %s ORDER BY user_id LIMIT %s", (after, batch)
    )
    return [UUID(str(row[0])) for row in rows]


def _bare_hmacs(service: KeyService, gen: int, wraps: int) -> float:
    """With the old key and with the new one."""
    wanted = [(pepper_label(gen - 1), _MESSAGE), (pepper_label(gen), _MESSAGE)] * wraps
    began = time.perf_counter()
    service.keyring.token.hmac_many(wanted)
    return time.perf_counter() - began


def _bare_updates(conn: "psycopg.Connection[tuple[object, ...]]", ids: list[UUID], gen: int) -> float:
    new = [[os.urandom(size) for _ in ids] for _, size in _UPDATES]
    began = time.perf_counter()
    with conn.transaction():
        for (statement, _), values in zip(_UPDATES, new, strict=True):
            conn.execute(statement + _FROM, {"gen": gen, "users": ids, "new": values}, prepare=True)
    return time.perf_counter() - began


def _memory_kib() -> int:
    """Resident set of this process, which is all that a key service does in a rotation."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024

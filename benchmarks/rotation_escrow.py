"""How fast wraps get to a new escrow key, against the least that it could take.

The rotation is the ceremony's own, each process as in production: this one hands pages from the key service
to its child and back, while the key service takes off and puts on outer layers, and PostgreSQL writes.

The floor is measured in the same run, before and after it, with the wraps of some of the same users: as
many bare ECDHs in the same token by as many children of the same kind, and bare UPDATEs of the same rows
(the wrap's and its DEK's) in a copy of the same database; once one after the other, and once side by side.
Besides the time that passes, the processors' time of all processes is taken, which says something on a busy
machine too.
"""

import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.rotation_home import Home
from benchmarks.rotation_people import add_people
from tests.kms.casework import open_case
from tests.kms.escrow_keys import new_escrow_key
from tests.rig.officers import Ceremony, ceremony_of, escrow_pin
from vault_service.bootstrap.connections import kms_client
from vault_service.ceremony.believed import believe_case
from vault_service.ceremony.crew import Child, work_for
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.ceremony.parts import CeremonyParts, Resealing
from vault_service.ceremony.pin_open import Opened
from vault_service.ceremony.reseal_child import Begin
from vault_service.ceremony.rewrap import Rewrapping
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.manifest import Manifest
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.policy.load import load_policies
from vault_service.settings import KmsClient
from vault_service.storage.keys.believed_chain import read_chain
from vault_service.storage.keys.cases import find_case

_FLOOR = 12_000  # wraps; as many as a child derives before another takes its place
_UPDATES = (
    """UPDATE escrow_wraps t SET escrow_gen = %(gen)s, wrap = n.new
       FROM unnest(%(users)b::uuid[], %(deks)b::uuid[], %(new)b::bytea[]) AS n (id, dek, new)
       WHERE t.user_id = n.id AND t.dek_id = n.dek""",
    """UPDATE deks t SET escrow_gen = %(gen)s FROM unnest(%(users)b::uuid[], %(deks)b::uuid[]) AS n (id, dek)
       WHERE t.user_id = n.id AND t.dek_id = n.dek""",
)


class _BareChild(Child):
    program = "benchmarks.bare_ecdh_child"


@dataclass
class Measured:
    """Seconds a wrap of the floor, before and after the rotation; seconds of the rotation as a whole."""

    users: int
    ecdh: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)  # both, side by side
    floor_processor: list[float] = field(default_factory=list)  # of all processes, for both
    rotation_s: float = 0.0
    rotation_processor_s: float = 0.0
    memory: list[int] = field(default_factory=list)  # KiB, of the largest child

    @property
    def floor(self) -> float:
        """Seconds a wrap, one step after the other."""
        return statistics.fmean(self.ecdh) + statistics.fmean(self.update)

    @property
    def ratio(self) -> float:
        """Of the floor's rate."""
        return self.floor * self.users / self.rotation_s

    @property
    def ratio_beside(self) -> float:
        """Of the rate of a floor whose ECDHs and UPDATEs too go on side by side."""
        return statistics.fmean(self.beside) * self.users / self.rotation_s

    @property
    def ratio_of_processors(self) -> float:
        """Of the floor's processor time: what it comes to where no processor is free for one beside it."""
        return statistics.fmean(self.floor_processor) * self.users / self.rotation_processor_s

    @property
    def flat(self) -> float:
        """How much a child's memory grew until another took its place: 1.0 is not at all."""
        rest = self.memory[len(self.memory) // 10 :]
        return max(rest) / rest[0]


def measure(home: Home, users: int, *, batch: int, children: int) -> Measured:
    """Bring the keys database to so many users, then rotate them."""
    vault = home.vault
    pin, place = escrow_pin(vault, ("ana", "bob")), vault.place("escrow")
    with vault.keys.superuser() as conn, home.key_service() as service:
        row = conn.execute("SELECT count(*) FROM users").fetchone()
        add_people(conn, service, users - int(str(row[0]) if row else 0))
        label = f"escrow/{max(key.gen for key in service.manifests.current().keys.escrow) + 1}"
    with open_escrow_token(place, pin) as token:
        point = token.generate_escrow_key(label)
    with home.key_service() as service:
        new_escrow_key(vault, service, point)
        manifest = service.manifests.fresh()
        file = open_case(vault, service, "escrow-rotation")
        file.approve("ana", "bob")
    case = file.case.case_id
    with home.copy() as copy, copy.connect("vault_kms") as floor, _running(home) as ceremony:
        ceremony.open(case)
        begin, found = work_for(place, pin, manifest), Measured(users)
        some = _first_wraps(ceremony, case, min(users, _FLOOR), batch)
        old = some[0].escrow_gen
        bare = FloorOf(begin, floor, some, batch, children)
        bare.measure(found, begin.target.gen)
        with open_escrow_token(place, pin) as token, _parts(home, found, batch, children) as parts:
            work = _rewrapping(parts, ceremony, case, Opened(token, 1, pin), manifest)
            began, spent = time.perf_counter(), _processor_s()
            report = work.run()
            found.rotation_s = time.perf_counter() - began
            found.rotation_processor_s = _processor_s() - spent
        if (report.rewrapped, report.failed) != (users, ()):
            raise AssertionError(report)
        bare.measure(found, old)
        ceremony.complete(case, digest=bytes(32))
    return found


@contextlib.contextmanager
def _running(home: Home) -> Iterator[Ceremony]:
    home.vault.start_kms()
    try:
        yield ceremony_of(home.vault)
    finally:
        home.vault.stop_all()


@contextlib.contextmanager
def _parts(home: Home, found: Measured, batch: int, children: int) -> Iterator[CeremonyParts]:
    vault = home.vault
    db = vault.keys.open("vault_ceremony", size=2)
    kms = kms_client(KmsClient(url=vault.socket("ceremony")))
    try:
        yield CeremonyParts(
            db=db,
            kms=kms,
            policies=load_policies(vault.home / "policies"),
            place=vault.place("escrow"),
            state_dir=vault.home / "ceremony",
            fingerprint=vault.fingerprint,
            progress=lambda *_: found.memory.extend(_memory_of_children()),
            resealing=Resealing(children=children, page=batch),
        )
    finally:
        kms.close()
        db.close()


def _rewrapping(
    parts: CeremonyParts, ceremony: Ceremony, case: UUID, opened: Opened, manifest: Manifest
) -> Rewrapping:
    with parts.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    chain = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
    if row is None:
        raise AssertionError(case)
    return Rewrapping(parts, CeremonyId(ceremony.ceremony_id), believe_case(row, chain), opened, manifest)


def _first_wraps(ceremony: Ceremony, case: UUID, users: int, batch: int) -> list[PeeledWrap]:
    found = list[PeeledWrap]()
    while len(found) < users:
        found += ceremony.peel(case, found[-1].user_id if found else None, batch).wraps
    return found


# --- the floor


@dataclass(frozen=True)
class FloorOf:
    """What is measured, and with how much."""

    begin: Begin
    conn: "psycopg.Connection[Any]"
    wraps: Sequence[PeeledWrap]
    batch: int
    children: int

    def measure(self, found: Measured, gen: int) -> None:
        """Page by page: ECDHs, then UPDATEs; and then pages for which both go on at once."""
        pages = [
            tuple(self.wraps[first : first + self.batch]) for first in range(0, len(self.wraps), self.batch)
        ]
        beside = pages[1::2] or pages
        children = [_BareChild(self.begin) for _ in range(self.children)]
        with ThreadPoolExecutor(self.children) as pool, ThreadPoolExecutor(1) as writer:
            ecdh = _each(children, pool, pages[::2])
            update = sum(_bare_updates(self.conn, page, gen) for page in pages[::2])
            began, spent = time.perf_counter(), _processor_s()
            written = writer.submit(lambda: [_bare_updates(self.conn, page, gen) for page in beside])
            _each(children, pool, beside)
            written.result()
            wraps = sum(map(len, beside))
            found.beside.append((time.perf_counter() - began) / wraps)
            found.floor_processor.append((_processor_s() - spent) / wraps)
        one_by_one = sum(map(len, pages[::2]))
        found.ecdh.append(ecdh / one_by_one)
        found.update.append(update / one_by_one)
        for child in children:
            child.end()


def _each(
    children: Sequence[Child], pool: ThreadPoolExecutor, pages: Sequence[tuple[PeeledWrap, ...]]
) -> float:
    """Share the pages among the children; seconds."""

    def work(number: int) -> None:
        for page in pages[number :: len(children)]:
            children[number].reseal(page)

    began = time.perf_counter()
    list(pool.map(work, range(len(children))))
    return time.perf_counter() - began


def _bare_updates(conn: "psycopg.Connection[Any]", wraps: tuple[PeeledWrap, ...], gen: int) -> float:
    values = {
        "gen": gen,
        "users": [each.user_id for each in wraps],
        "deks": [each.dek_id for each in wraps],
        "new": [os.urandom(174) for _ in wraps],
    }
    began = time.perf_counter()
    with conn.transaction():
        for statement in _UPDATES:
            conn.execute(statement, values, prepare=True)
    return time.perf_counter() - began


def _processor_s() -> float:
    """Seconds of processors that this process, PostgreSQL and all others below it have taken so far."""
    spent, left = 0.0, ["self"]
    while left:
        process = Path("/proc", left.pop())
        with contextlib.suppress(OSError):
            fields = (process / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            spent += sum(int(ticks) for ticks in fields[11:15])  # user, system, and of those that have ended
            for task in (process / "task").iterdir():
                left += (task / "children").read_text("ascii").split()
    return spent / os.sysconf("SC_CLK_TCK")


def _memory_of_children() -> list[int]:
    """KiB of the largest child; none while it has none."""
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    found = list[int]()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text("ascii").split():
            with contextlib.suppress(OSError):
                process = Path("/proc", pid)
                if b"reseal_child" in (process / "cmdline").read_bytes():
                    found.append(int((process / "statm").read_text("ascii").split()[1]) * page)
    return [max(found)] if found else []

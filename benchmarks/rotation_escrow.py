"""How fast wraps get to a new escrow key, against the least that it could take.

The floor of a page: the same number of bare ECDHs in the same token, then bare UPDATEs of the same rows (the
wrap's and its DEK's) in a copy of the same database. Floor and rotation take turns page by page. A page goes
through everything that it goes through in a ceremony, its three steps one after the other: so nothing gains
by a second processor, although each child is a process of its own.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg

from benchmarks.rotation_home import Home
from benchmarks.rotation_people import add_people
from tests.kms.casework import open_case
from tests.kms.escrow_keys import new_escrow_key
from tests.rig.officers import Ceremony, escrow_pin
from vault_service.ceremony.crew import Child, work_for
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.ceremony.reseal_child import Begin
from vault_service.kms import dispatch
from vault_service.kms.dispatch import Caller
from vault_service.kms.message_base import Answer, Request
from vault_service.kms.recovery_messages import PeeledWrap
from vault_service.kms.rotation_messages import EscrowRewrapped, RewrapEscrow
from vault_service.kms.service import KeyService

_A = TypeVar("_A", bound=Answer)
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
    """Seconds, and what they were spent on."""

    users: int
    ecdh_s: float = 0.0
    update_s: float = 0.0
    peel_s: float = 0.0
    child_s: float = 0.0
    store_s: float = 0.0
    memory: list[int] = field(default_factory=list)  # KiB, of the child

    @property
    def rotation_s(self) -> float:
        """One step after the other."""
        return self.peel_s + self.child_s + self.store_s

    @property
    def ratio(self) -> float:
        """Of the floor's rate."""
        return (self.ecdh_s + self.update_s) / self.rotation_s

    @property
    def ratio_beside(self) -> float:
        """The same where one child and the key service work at the same time, as in a ceremony."""
        return (self.ecdh_s + self.update_s) / max(self.child_s, self.peel_s + self.store_s)

    @property
    def flat(self) -> float:
        """How much a child's memory grew until another took its place: 1.0 is not at all."""
        rest = self.memory[len(self.memory) // 10 :]
        return max(rest) / rest[0]


def measure(home: Home, users: int, *, batch: int, derives: int = 20_000) -> Measured:
    """Bring the keys database to so many users, then rotate them."""
    vault = home.vault
    pin, place = escrow_pin(vault, ("ana", "bob")), vault.place("escrow")
    with home.vault.keys.superuser() as conn, home.key_service() as service:
        row = conn.execute("SELECT count(*) FROM users").fetchone()
        add_people(conn, service, users - int(str(row[0]) if row else 0))
        label = f"escrow/{max(key.gen for key in service.manifests.current().keys.escrow) + 1}"
    with open_escrow_token(place, pin) as token:
        point = token.generate_escrow_key(label)
    with home.key_service() as service:
        new_escrow_key(vault, service, point)
        begin = work_for(place, pin, service.manifests.fresh())
        file = open_case(vault, service, "escrow-rotation")
        file.approve("ana", "bob")
    with home.copy() as copy, home.key_service() as service, copy.connect("vault_kms") as floor:
        ceremony = _ceremony(service)
        ceremony.open(file.case.case_id)
        return _rotate(ceremony, file.case.case_id, begin, floor, users, batch, derives)


def _rotate(
    ceremony: Ceremony, case: UUID, begin: Begin, floor: "psycopg.Connection[Any]", users: int, batch: int,
    derives: int,
) -> Measured:  # fmt: skip
    found, after, bare, child = Measured(users), None, _BareChild(begin), Child(begin)
    while True:
        began = time.perf_counter()
        peeled = ceremony.peel(case, after, batch)
        found.peel_s += time.perf_counter() - began
        if not peeled.wraps:
            break
        after = peeled.wraps[-1].user_id
        found.ecdh_s += _timed(bare, peeled.wraps)
        found.update_s += _bare_updates(floor, peeled.wraps, begin.target.gen)
        began = time.perf_counter()
        resealed = child.reseal(peeled.wraps)
        found.child_s += time.perf_counter() - began
        found.memory.append(_memory_kib(child.pid))
        began = time.perf_counter()
        request = RewrapEscrow(ceremony.ceremony_id, case, len(peeled.wraps), resealed.wraps, resealed.failed)
        stored = ceremony.call(request, EscrowRewrapped)
        found.store_s += time.perf_counter() - began
        if stored != EscrowRewrapped(len(peeled.wraps), 0):
            raise AssertionError(stored)
        began = time.perf_counter()
        if child.derived >= derives:
            child.end()
            child = Child(begin)
            bare.end()
            bare = _BareChild(begin)
        found.child_s += (time.perf_counter() - began) / 2  # of the two that were replaced one is the floor's
    for each in (bare, child):
        each.end()
    ceremony.complete(case, digest=bytes(32))
    return found


def _timed(child: Child, wraps: tuple[PeeledWrap, ...]) -> float:
    began = time.perf_counter()
    child.reseal(wraps)
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


def _ceremony(service: KeyService) -> Ceremony:
    """Everything that a call goes through but the socket."""

    def call(request: Request, answer: type[_A]) -> _A:
        given = dispatch.answer(service, Caller("ceremony", "x"), request.name, msgspec.json.encode(request))
        return msgspec.json.decode(msgspec.json.encode(given), type=answer)

    return Ceremony(call, service.manifests.current().tokens.escrow)


def _memory_kib(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024

"""Seal one log, a turn at a time: events become leaves, the head is signed, cosigned and made known.

A turn:

1. Committed events become leaves until none waits; only then, or after many, goes it on. A tree that does
   not contain what is known to be signed grows no further: its database was replaced by an older one.
2. If the tree grew, or its head was cosigned too long ago, or somebody asked: the key service is asked
   what it signed last, and signs the new head given a proof that it is an append of that.
3. Every witness is asked to cosign. With as many as the policy demands, the head counts: it is brought
   to the file outside the database, then into the database.
4. The key service is told how far the log is sealed, whatever came of 2 and 3.

Each step begins from what is stored, so a turn may end at any instruction; the next one goes on.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.coverage import Coverage
from vault_service.audit.errors import (
    CosignaturesMissingError,
    HeadMismatchError,
    OlderDatabaseError,
    OlderKeyServiceError,
    RestoreUnsealedError,
)
from vault_service.audit.figures import SealingFigures
from vault_service.domain.clock import utc_now
from vault_service.domain.errors import UnavailableError
from vault_service.domain.logs import LogName, generation_of, origin
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import (
    CheckpointSigned,
    Done,
    LogHead,
    LogHeadIs,
    ReportSealed,
    SignCheckpoint,
)
from vault_service.policy.rules import AuditPolicy
from vault_service.storage.audit.checkpoints import Saved, backlog, newest_checkpoint, save_checkpoint
from vault_service.storage.audit.cursor import survey
from vault_service.storage.audit.restored import is_restore_sealed, record_restore
from vault_service.storage.audit.sequence import sequence
from vault_service.storage.audit.tiles import tile_reader
from vault_service.storage.pool import Database
from vault_service.tlog import tiles
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.errors import ProofError
from vault_service.tlog.note import Note, Signature, VerifierKey, format_note, parse_note, verified

_BATCHES = 20  # in one turn: a long backlog gets heads on the way

ProofFor = Callable[[int], list[bytes]]
Collect = Callable[[str, int, ProofFor], Sequence[Signature]]
"""Ask every witness to cosign a note: which size they are thought to have, and a proof from any."""


@dataclass(frozen=True, slots=True)
class SealerParts:
    """What a sealer works with."""

    log: LogName
    db: Database
    kms: KmsClient
    policy: AuditPolicy
    file: CheckpointFile
    figures: SealingFigures
    witnesses: tuple[VerifierKey, ...] = ()
    collect: Collect = lambda _note, _hint, _proof_for: ()


class Sealer:
    """One log's. Two of them at once do no harm, on one host or on two."""

    def __init__(self, parts: SealerParts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._clock = parts, clock
        self._coverage = Coverage()
        self._counted: Saved | None = None
        self._known: LogHeadIs | None = None  # what the key service said last
        self._counted_at = self._began = clock()

    @property
    def figures(self) -> SealingFigures:
        """What Prometheus is shown."""
        return self._parts.figures

    def check_start(self) -> None:
        """Refuse a database that is older than what was sealed, unless its restore was accepted.

        Raises OlderDatabaseError, OlderKeyServiceError, CheckpointFileError; UnavailableError as long as
        the database or the key service is away.
        """
        parts = self._parts
        held, head = parts.file.newest(), self._ask_head()
        if held is not None:
            checkpoint = parse_checkpoint(parse_note(held).text)
            generation = generation_of(head.key_name, checkpoint.origin)
            if generation is None or generation > head.generation:
                raise OlderKeyServiceError(f"the key service has not heard of {checkpoint.origin}")
            if generation == head.generation:
                self._demand(checkpoint.size, checkpoint.root, "the checkpoints in state_dir")
        self._demand(head.size, head.root, "the key service's memory")
        with parts.db.connection() as conn:
            self._counted = newest_checkpoint(conn)
        if self._counted is not None:
            self._coverage.begin(self._counted.covers_until)
            parts.figures.sealed_size.set(self._counted.size)
            self._counted_at = self._clock() - parts.policy.sealing.refresh_s  # due at once

    def turn(self, *, asked: bool = False) -> bool:
        """One turn; `asked`: cosign the head anew even if it is fresh. Returns whether more waits.

        Raises the VaultError that kept the log from being sealed; the turn did what it could.
        """
        size, more = self._sequence()
        try:
            if self._is_due(size, asked):
                self._seal(size)
        finally:
            self._report()
        return more

    # --- 1

    def _sequence(self) -> tuple[int, bool]:
        parts = self._parts
        with parts.db.connection() as conn:
            seen = survey(conn)
        if not seen.waiting:
            self._coverage.all_visible(seen.now)
            return seen.tree.size, False
        with suppress(
            UnavailableError
        ):  # without the key service nothing is signed, but receivers get events
            self._ask_head()
        self._demand_known()
        self._coverage.mark(seen.now, seen.tree.begun_below)
        done = sequence(parts.db, parts.log, parts.policy.sealing.batch)
        for _ in range(_BATCHES - 1):
            if done.ended_below is not None:
                break
            done = sequence(parts.db, parts.log, parts.policy.sealing.batch)
        if done.ended_below is not None:
            self._coverage.sealed_below(done.ended_below)
        return done.size, done.ended_below is None

    # --- 2 and 3

    def _is_due(self, size: int, asked: bool) -> bool:
        if self._counted is None or self._counted.size != size or asked:
            return True
        return self._clock() - self._counted_at >= self._parts.policy.sealing.refresh_s

    def _seal(self, size: int) -> None:
        parts = self._parts
        head = self._ask_head()
        self._demand(head.size, head.root, "the key service's memory")
        if head.generation > 1 and head.note is None:
            self._explain_restore(head)
        with parts.db.connection() as conn:
            read = tile_reader(conn)
            root, proof = tiles.root(read, size), tiles.consistency_proof(read, head.size, size)
        covers = self._coverage.until
        request = SignCheckpoint(parts.log, size, root, head.size, tuple(proof))
        note = parse_note(parts.kms.call(request, CheckpointSigned).note)
        if parse_checkpoint(note.text) != Checkpoint(origin(head.key_name, head.generation), size, root):
            raise HeadMismatchError
        self._keep(Saved(size, self._cosigned(note, size), covers))

    def _cosigned(self, note: Note, size: int) -> str:
        parts = self._parts
        last = 0 if self._counted is None else self._counted.size
        cosigned = parts.collect(format_note(note), last, lambda old: self._proof(old, size))
        whole = note.signed_also(cosigned)
        need = parts.policy.checkpoints.cosignatures
        have = len(verified(whole, parts.witnesses)) if cosigned else 0
        parts.figures.cosigners_away.set(len(parts.witnesses) - have)
        if have < need:
            raise CosignaturesMissingError(have=have, need=need)
        return format_note(whole)

    def _proof(self, old: int, size: int) -> list[bytes]:
        with self._parts.db.connection() as conn:
            return tiles.consistency_proof(tile_reader(conn), old, size)

    def _keep(self, saved: Saved) -> None:
        """Outside first: what the database has must never be more than what is remembered."""
        parts = self._parts
        if self._counted is None or _body(self._counted.note) != _body(saved.note):
            parts.file.append(saved.note, utc_now())
        with parts.db.connection() as conn:
            save_checkpoint(conn, saved)
        self._counted, self._counted_at = saved, self._clock()
        parts.figures.sealed_size.set(saved.size)

    # --- 4

    def _report(self) -> None:
        parts = self._parts
        with parts.db.connection() as conn:
            behind = backlog(conn)
        age = self._clock() - self._began if behind.age_s is None else behind.age_s
        if behind.unsealed and self._counted is not None:
            age = max(age, self._clock() - self._counted_at)  # a database's clock can be set back
        parts.figures.unsealed_events.set(behind.unsealed)
        parts.figures.unsealed_age.set(age)
        note = None if self._counted is None else self._counted.note
        parts.kms.call(ReportSealed(parts.log, note, behind.unsealed, age), Done)

    # --- restored databases

    def _ask_head(self) -> LogHeadIs:
        """What the key service signed last; in a new generation nothing of the old one counts any more."""
        head = self._parts.kms.call(LogHead(self._parts.log), LogHeadIs)
        if self._known is not None and head.generation > self._known.generation:
            self._counted, self._coverage = None, Coverage()
        self._known = head
        return head

    def _demand_known(self) -> None:
        """Refuse to let an older tree grow, also while the key service is away. Raises OlderDatabaseError."""
        known, counted = self._known, self._counted
        if known is not None:
            self._demand(known.size, known.root, "the key service's memory")
        if known is not None and counted is not None:
            checkpoint = parse_checkpoint(parse_note(counted.note).text)
            is_present = generation_of(known.key_name, checkpoint.origin) == known.generation
            if is_present and (checkpoint.size, checkpoint.root) != (known.size, known.root):
                self._demand(checkpoint.size, checkpoint.root, "the newest checkpoint")

    def _demand(self, size: int, root: bytes, where: str) -> None:
        """Refuse a tree that does not contain this head."""
        with self._parts.db.connection() as conn:
            has = survey(conn).tree.size
            try:
                if size <= has and tiles.root(tile_reader(conn), size) == root:
                    return
            except ProofError:
                pass
        raise OlderDatabaseError(self._parts.log, size=has, held=size, where=where)

    def _explain_restore(self, head: LogHeadIs) -> None:
        """Before a new generation's first head, the log itself says that it was restored.

        The key service writes that into the keys trail when it accepts; this side into its own.
        """
        parts = self._parts
        with parts.db.connection() as conn:
            if is_restore_sealed(conn, parts.log, head.size, head.given_up):
                return
        if parts.log == "records":
            with parts.db.transaction() as conn:
                record_restore(conn, head.size, head.given_up, utc_now())
        raise RestoreUnsealedError


def _body(note: str) -> str:
    return parse_note(note).text

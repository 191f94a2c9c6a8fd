"""A witness: cosigns a log's checkpoint only if it appends to the one that it cosigned before.

C2SP tlog-witness. Rules, of which each is checked in this order:
1. The origin is a log's name, or that with "/restored-<n>": a log that went on after its database
   was restored from a backup is a log of its own, and begins in the open.
2. A key of that log has signed the checkpoint.
3. The old size is that of the head cosigned last (0 without one); the same size has the same root.
4. The proof leads from that head to the checkpoint.
5. The new head is on disk before the cosignature leaves, and nothing comes between 3 and 5.
"""

import contextlib
import re
import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.tlog.add_checkpoint import AddCheckpoint
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.errors import NoteError, ProofError
from vault_service.tlog.keys import ED25519, Signature, VerifierKey
from vault_service.tlog.merkle import EMPTY_ROOT, verify_consistency
from vault_service.tlog.note import Note, format_note, parse_note, verified
from vault_service.witness.errors import (
    CheckpointUnsignedError,
    HeadInconsistentError,
    LogForkedError,
    OriginUnknownError,
    SizeConflictError,
    SubmissionMalformedError,
)
from vault_service.witness.key import CosigningKey, load_key
from vault_service.witness.state import Head, StateFile, WitnessStateError, damaged

_log = structlog.get_logger("witness")

# At most a million restored logs: whoever stole a log's key must not fill the disk without end.
_RESTORED = re.compile(r"/restored-[1-9][0-9]{0,5}", re.ASCII)


class Witness:
    """Safe to share between threads. It owns its state file until `close`."""

    def __init__(
        self, key: CosigningKey, logs: Iterable[VerifierKey], state: StateFile, *, clock: Clock = utc_now
    ) -> None:
        self._key, self._logs, self._state, self._clock = key, tuple(logs), state, clock
        self._lock = threading.Lock()

    @property
    def verifier(self) -> VerifierKey:
        """By what others verify its cosignatures."""
        return self._key.verifier()

    @property
    def is_able(self) -> bool:
        """Whether its state can still be brought to disk, as far as it knows."""
        return not self._state.is_broken

    def heads(self) -> tuple[Head, ...]:
        """What it has cosigned last, one a log."""
        with self._lock:
            return tuple(self._state.heads.values())

    def add_checkpoint(self, body: bytes) -> Signature:
        """Cosign the checkpoint of an add-checkpoint request.

        Raises a SubmissionRefusedError, or WitnessStateError when the state cannot be saved.
        """
        try:
            asked = AddCheckpoint.parse(body)
            checkpoint = parse_checkpoint(asked.note.text)
        except NoteError as error:
            raise SubmissionMalformedError(error.detail) from error
        keys = [key for key in self._logs if _belongs(checkpoint.origin, key.name)]
        if not keys:
            raise OriginUnknownError
        try:
            note = _signed_by(asked.note, keys)
        except NoteError as error:
            raise CheckpointUnsignedError(error.detail) from error
        if asked.old_size > checkpoint.size:
            raise SubmissionMalformedError("the old size is larger than the checkpoint's")
        with self._lock:  # else a slower request could take back what a faster one was answered
            return self._advance(asked, checkpoint, note)

    def close(self) -> None:
        """Free the state file, once a cosigning that is under way is done."""
        with self._lock:
            self._state.close()

    def _advance(self, asked: AddCheckpoint, checkpoint: Checkpoint, note: Note) -> Signature:
        last = self._state.heads.get(checkpoint.origin)
        size, root = (0, EMPTY_ROOT) if last is None else (last.size, last.root)
        at = int(self._clock().timestamp())
        if checkpoint.size == size and checkpoint.root != root:
            _log.error("witness.log_forked", origin=checkpoint.origin, n=size)
            with contextlib.suppress(WitnessStateError):  # the refusal is what must not fail
                self._state.save_fork(_head(checkpoint, note, at))
            raise LogForkedError(size)
        if asked.old_size != size:
            raise SizeConflictError(size)
        try:
            verify_consistency(size, root, checkpoint.size, checkpoint.root, asked.proof)
        except ProofError as error:
            _log.error("witness.inconsistent", origin=checkpoint.origin, n=checkpoint.size)
            raise HeadInconsistentError(error.detail) from error
        signature = self._key.cosign(note.text, at)
        head = _head(checkpoint, Note(note.text, (*note.signatures, signature)), at)
        if last is None or last.size != head.size:
            self._state.save(head)
        else:
            self._state.heads[head.origin] = head  # newer in time only: nothing that must not be lost
        if last is None:
            # Expected once a log. Again: the state was lost, or the log begins anew to hide something.
            _log.warning("witness.first_checkpoint", origin=head.origin, n=head.size)
        return signature


def open_witness(
    key_file: Path, state_file: Path, logs: Iterable[VerifierKey], *, clock: Clock = utc_now
) -> Witness:
    """A witness from its files. Raises ConfigurationError when they cannot be used.

    So it is when the key was used and the state is gone: the witness would cosign whatever it is
    shown first.
    """
    logs = tuple(logs)
    if not logs or any(log.key_type != ED25519 for log in logs):
        raise InvalidInputError(
            "a log", "the witness needs the verifier key of each log, of type 1 (Ed25519)"
        )
    file = load_key(key_file)
    is_new = not state_file.exists() or state_file.stat().st_size == 0
    if file.used and is_new:
        raise ConfigurationError(
            f"the key in {key_file} has been used, and its state file {state_file} is not there",
            remedy="Put the newest state file back. If it is lost, generate a new key and give its verifier "
            "key to everybody who trusts the old one.",
        )
    state = StateFile(state_file, file.key.verifier().format())
    if not all(_is_ours(head, file.key.verifier()) for head in state.heads.values()):
        state.close()
        raise damaged(state_file)
    file.mark_used()
    return Witness(file.key, logs, state, clock=clock)


def _is_ours(head: Head, verifier: VerifierKey) -> bool:
    """Whether a head is one that this key cosigned: a flipped bit must not become "the log has forked"."""
    try:
        note = parse_note(head.note)
        verified(note, [verifier])
        found = parse_checkpoint(note.text)
    except NoteError:
        return False
    return (found.origin, found.size, found.root) == (head.origin, head.size, head.root)


def _belongs(origin: str, name: str) -> bool:
    return origin == name or (
        origin.startswith(name) and _RESTORED.fullmatch(origin.removeprefix(name)) is not None
    )


def _signed_by(note: Note, keys: Iterable[VerifierKey]) -> Note:
    """The note with these keys' signatures only: strangers' need not be kept. Raises NoteError."""
    known = {(key.name, key.key_id) for key, _ in verified(note, keys)}
    return Note(note.text, tuple(each for each in note.signatures if (each.name, each.key_id) in known))


def _head(checkpoint: Checkpoint, note: Note, at: int) -> Head:
    return Head(checkpoint.origin, checkpoint.size, checkpoint.root, format_note(note), at)

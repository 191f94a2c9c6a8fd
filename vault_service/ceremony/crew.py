"""The children of a ceremony that share the work of sealing everybody's wraps anew.

    none ──▶ ready ──▶ at a page ──▶ ready ──▶ … ──▶ gone

- Each is a program begun anew (an exec, since a module that was loaded before a fork is of no use), with its
  own C_Initialize and login. One logs in at a time: this process holds the token's lock for all of them, and
  before each login it mends and copies a soft token's files as whoever takes the lock does.
- The PIN and the pages come through a pipe. A child whose pipe ends is gone by itself.
- After so many derivations another takes its place, since SoftHSM does not give their memory back.
- One that dies, or says nothing for long, is replaced, and its page done again by another: nothing of the
  page is stored before it is whole. A refused PIN is never tried again.
"""

import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Generator
from typing import IO

import structlog

from vault_service.ceremony.frames import PipeClosedError, receive, send
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.pin_open import Opened
from vault_service.ceremony.reseal import Resealed
from vault_service.ceremony.reseal_child import SAID, Begin, Page, Refused, Said
from vault_service.domain.errors import TokenKeyError, TokenUnavailableError, VaultError, rebuild
from vault_service.domain.manifest import Manifest
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.kms.token.softhsm_files import keep_copies

_log = structlog.get_logger("ceremony")

_LOGIN_S = 60.0  # on a machine that does much else
_PAGE_S = 120.0  # a page takes a second at the most
_TRIES = 4  # of one page
_END_S = 5.0


class _ChildLostError(Exception):
    """It died, hung, or its token failed it."""


class Child:
    """One process; used by one thread at a time."""

    program = "vault_service.ceremony.reseal_child"

    def __init__(self, begin: Begin) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            # -P: whoever can write to the folder where the ceremony was started would otherwise have a module
            # of his own run, and be told the PIN.
            [sys.executable, "-P", "-m", self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the ceremony, which ends its children in good order
        )
        self.derived = 0
        self._ask(begin, _LOGIN_S)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def reseal(self, page: tuple[PeeledWrap, ...]) -> Resealed:
        """Raises _ChildLostError, and what the child refuses."""
        said = self._ask(Page(page), _PAGE_S)
        if not isinstance(said, Resealed):
            self.end()
            raise _ChildLostError
        self.derived += len(page)
        return said

    def _ask(self, message: Begin | Page, within_s: float) -> Said:
        try:
            send(_open(self._process.stdin).fileno(), message)
            said = receive(_open(self._process.stdout).fileno(), SAID, within_s=within_s)
        except PipeClosedError:
            self.end()
            raise _ChildLostError from None
        if isinstance(said, Refused):
            self.end()
            error = rebuild(said.code, said.detail, None)
            if isinstance(error, TokenUnavailableError) and not isinstance(error, TokenKeyError):
                raise _ChildLostError from error
            raise error
        return said

    def end(self) -> None:
        """Close its pipe, which it ends with, and wait; kill it if it does not."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                _open(pipe).close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Crew:
    """So many places, each with a child once it is needed; safe to share between threads."""

    def __init__(self, parts: CeremonyParts, begin: Begin) -> None:
        self._parts = parts
        self._begin = begin
        self._one_login = threading.Lock()
        self._refused: VaultError | None = None
        self._places: queue.SimpleQueue[Child | None] = queue.SimpleQueue()
        for _ in range(parts.resealing.children):
            self._places.put(None)

    def reseal(self, page: tuple[PeeledWrap, ...]) -> Resealed:
        """By whichever child is free.

        Raises TokenUnavailableError when one after another is lost at it, TokenKeyError,
        EscrowPinRefusedError, PinAlmostLockedError.
        """
        for _ in range(_TRIES):
            child, kept = self._places.get(), None
            try:
                child = child or self._start()
                resealed = child.reseal(page)
                kept = child
            except _ChildLostError:
                _log.warning("ceremony.child_lost")
                continue
            finally:
                self._places.put(self._unless_worn(kept))
            return resealed
        raise TokenUnavailableError("the escrow token (this ceremony's children are lost at it)")

    def close(self) -> None:
        """End all; nobody may be at work."""
        while not self._places.empty():
            child = self._places.get()
            if child is not None:
                child.end()

    def _start(self) -> Child:
        """Raises _ChildLostError, and what the first child was refused with, from then on without a try."""
        with self._one_login:
            if self._refused is not None:
                raise self._refused
            place = self._parts.place
            if place.softhsm2_conf is not None:
                keep_copies(place.softhsm2_conf, place.state_dir)
            try:
                return Child(self._begin)
            except VaultError as refused:
                self._refused = refused
                raise

    def _unless_worn(self, child: Child | None) -> Child | None:
        if child is None or child.derived < self._parts.resealing.derives:
            return child
        child.end()
        return None


@contextlib.contextmanager
def crew_of(parts: CeremonyParts, opened: Opened, manifest: Manifest) -> Generator[Crew]:
    """Children for the open token; all are gone at the end, so that no login outlasts the PIN."""
    crew = Crew(parts, work_for(parts.place, opened.pin, manifest))
    try:
        yield crew
    finally:
        crew.close()


def work_for(place: TokenPlace, pin: str, manifest: Manifest) -> Begin:
    """What a child is told first."""
    return Begin(
        str(place.module), place.label,
        None if place.softhsm2_conf is None else str(place.softhsm2_conf), str(place.state_dir),
        manifest.tokens.escrow, pin, manifest.keys.escrow, manifest.escrow_key,
    )  # fmt: skip


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("the child was started with pipes")
    return pipe

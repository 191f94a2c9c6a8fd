"""A ceremony's child: a login of its own at the escrow token, and pages of wraps to seal anew.

    python -m vault_service.ceremony.reseal_child

It reads from its standard input and writes to its standard output (frames.py): first what it is to do, with
the token's PIN, which so stands neither in an argument nor in the environment; then pages. It knows no
database and no network. When the ceremony's end of the pipe is gone, it ends at once, whatever it is doing.
"""

import os
import queue
import sys
import threading
from pathlib import Path
from typing import TypeAlias

import msgspec

from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.ceremony.frames import PipeClosedError, receive, send
from vault_service.ceremony.reseal import Resealed, Resealer
from vault_service.domain.errors import VaultError
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.process import harden


class Begin(msgspec.Struct, frozen=True):
    """What the child is to do."""

    module: str
    label: str
    softhsm2_conf: str | None
    state_dir: str
    serial: str
    pin: str
    keys: tuple[PublicKeyGeneration, ...]  # all that the manifest names
    target: PublicKeyGeneration

    def __repr__(self) -> str:
        """No PIN in a traceback."""
        return "Begin()"


class Page(msgspec.Struct, frozen=True):
    """Wraps to seal anew."""

    wraps: tuple[PeeledWrap, ...]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Logged in."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Nothing comes after this."""

    code: str
    detail: str


Said: TypeAlias = Ready | Resealed | Refused
BEGIN = msgspec.msgpack.Decoder(Begin)
PAGE = msgspec.msgpack.Decoder(Page)
SAID: "msgspec.msgpack.Decoder[Said]" = msgspec.msgpack.Decoder(Said)


def main() -> None:
    """Until the pipe ends."""
    harden()
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not get between the frames
    try:
        _work(receive(0, BEGIN), answers)
    except VaultError as error:
        send(answers, Refused(error.code, error.detail))
        sys.exit(1)
    except PipeClosedError:
        sys.exit(1)


def _work(begin: Begin, answers: int) -> None:
    place = TokenPlace(
        Path(begin.module), begin.label,
        None if begin.softhsm2_conf is None else Path(begin.softhsm2_conf), Path(begin.state_dir),
    )  # fmt: skip
    with open_escrow_token(place, begin.pin, serial=begin.serial, locked_by_parent=True) as token:
        resealer = Resealer(token, begin.keys, begin.target)
        send(answers, Ready())
        pages = _pages()
        while True:
            send(answers, resealer.reseal(pages.get().wraps))


def _pages() -> "queue.SimpleQueue[Page]":
    """Read in a thread of its own, which also sees the end while a page is worked at."""
    pages = queue.SimpleQueue[Page]()

    def read() -> None:
        try:
            while True:
                pages.put(receive(0, PAGE))
        except PipeClosedError:
            os._exit(0)

    threading.Thread(target=read, name="pages", daemon=True).start()
    return pages


if __name__ == "__main__":
    main()

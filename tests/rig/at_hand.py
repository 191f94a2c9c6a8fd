"""A vaultctl to type in a shell that is forked, not started: to load the command line takes a second.

The program on the PATH hands its words, folder, environment and three files to a process that has loaded
everything; that one's child is the command. SIGTERM is passed on, and the end is the child's. break-glass
opens the terminal of its own session, so it is started as ever.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.rig.forked import FORKS, Forked
from tests.rig.officer_passphrases import kept_beside, remember_them

_PROGRAM = """#!/usr/bin/python3 -IS
import contextlib, json, os, signal, socket, sys

if "break-glass" in sys.argv:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until there is somebody to pass it on to
peer = socket.socket(socket.AF_UNIX)
peer.connect({place!r})
said = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(peer, [len(said).to_bytes(4, "big")], [0, 1, 2])
peer.sendall(said)
pid = int.from_bytes(peer.recv(4), "big")

def pass_it_on(*_):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)

signal.signal(signal.SIGTERM, pass_it_on)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
sys.exit(int.from_bytes(peer.recv(4), "big"))
"""


@contextlib.contextmanager
def vaultctl_at_hand(folder: Path) -> Iterator[None]:
    """FOLDER/vaultctl, for as long as this lasts."""
    place = folder / "at-hand"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(16)
        server = Forked(FORKS.Process(target=_serve, args=(listener,)))
    program_for(folder, place)
    try:
        yield
    finally:
        server.kill()
        server.wait(20)


def program_for(folder: Path, place: Path) -> Path:
    """A vaultctl in this folder, which asks whoever listens at `place` to run its commands."""
    program = folder / "vaultctl"
    real = Path(sys.executable).with_name("vaultctl")
    program.write_text(_PROGRAM.format(real=str(real), place=str(place)))
    program.chmod(0o755)
    return program


def _serve(listener: socket.socket) -> None:
    while True:
        peer, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(peer)
            return
        peer.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(peer: socket.socket) -> None:
    size, files, _, _ = socket.recv_fds(peer, 4, 3)
    with peer.makefile("rb") as said:
        words, folder, environment = json.loads(said.read(int.from_bytes(size, "big")))
    pid = os.fork()
    if pid == 0:
        peer.close()
        _become(files, folder, environment)
        remember_them(kept_beside(environment))
        _run(words)
    for each in files:
        os.close(each)
    peer.sendall(pid.to_bytes(4, "big"))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    peer.sendall((code if code >= 0 else 128 - code).to_bytes(4, "big"))  # as a shell tells it


def _become(files: list[int], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, each in enumerate(files):
        os.dup2(each, number)
        os.close(each)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  # to its end
        for number, mode in enumerate("rww")
    )


def _run(words: list[str]) -> None:
    from vault_service.cli.main import main

    sys.argv = ["vaultctl", *words]
    main()  # ends the process

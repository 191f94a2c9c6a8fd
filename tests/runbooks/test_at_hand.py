"""The vaultctl of these tests ends with the command that it stands for, whenever it is told to."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.dev.waiting import until
from tests.rig.at_hand import program_for

pytestmark = pytest.mark.slow

_TERM = 1 << (15 - 1)  # in a mask of signals, proc(5)


def holds_back_a_stop(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("ShdPnd:")[1].split()[0], 16) & _TERM)


def test_a_stop_that_comes_before_the_command_is_known_reaches_it(scratch: Path) -> None:
    """Else it would run on, and nobody would know of it."""
    folder = scratch / "at-hand"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        with subprocess.Popen([program_for(folder, folder / "socket"), "witness"]) as asking:
            peer, _ = listener.accept()
            socket.recv_fds(peer, 4, 3)

            asking.terminate()
            until(lambda: asking.poll() is not None or holds_back_a_stop(asking.pid))
            assert asking.poll() is None
            with subprocess.Popen(["sleep", "600"]) as command:
                peer.sendall(command.pid.to_bytes(4, "big"))
                ended = command.wait(60)
            peer.sendall((128 - ended).to_bytes(4, "big"))

            assert (ended, asking.wait(60)) == (-15, 143)

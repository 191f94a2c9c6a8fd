"""Read the memory of running processes, as root on their host can."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

_CHUNK = 1 << 22  # bytes


def family(master: int) -> tuple[int, ...]:
    """A process and all its descendants."""
    found = [master]
    for pid in found:  # grows while it is walked
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since
                found += [int(child) for child in (task / "children").read_text().split()]
    return tuple(found)


def copies(pids: Iterable[int], needles: Mapping[str, bytes]) -> dict[str, int]:
    """How often each of these byte strings stands in the writable memory of these processes."""
    counts = dict.fromkeys(needles, 0)
    for pid in pids:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for begin, end in _writable(pid):
                tail = b""
                for at in range(begin, end, _CHUNK):
                    try:
                        memory.seek(at)
                        piece = memory.read(min(_CHUNK, end - at))
                    except OSError:  # given back meanwhile
                        break
                    chunk = tail + piece
                    for name, needle in needles.items():
                        # what ends within the old tail was counted with the chunk before
                        counts[name] += chunk.count(needle) - tail.count(needle)
                    tail = chunk[-max(map(len, needles.values())) + 1 :]
    return counts


def _writable(pid: int) -> list[tuple[int, int]]:
    areas: list[tuple[int, int]] = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, mode = line.split()[:2]
        if mode.startswith("rw"):
            begin, _, end = span.partition("-")
            areas.append((int(begin, 16), int(end, 16)))
    return areas

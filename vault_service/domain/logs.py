"""The two audit logs and what they are called in checkpoints."""

import re
from typing import Literal

LogName = Literal["keys", "records"]
LOGS: tuple[LogName, ...] = ("keys", "records")

_FINGERPRINT_DIGITS = 32  # 128 bits of the pinned fingerprint: no two vaults share a name
_RESTORED = re.compile(r"/restored-([1-9][0-9]{0,8})\Z")


def key_name(fingerprint: str, log: LogName) -> str:
    """Under which name the log's key signs (C2SP signed-note); `fingerprint`: 64 hex digits."""
    return f"vault_service/{fingerprint[:_FINGERPRINT_DIGITS]}/{log}"


def origin(name: str, generation: int) -> str:
    """The first line of a log's checkpoints (C2SP tlog-checkpoint).

    Each accepted restore of an older database begins a new generation, with an origin of its own:
    its heads can never be passed off as a continuation of those that were given up.
    """
    return name if generation == 1 else f"{name}/restored-{generation - 1}"


def generation_of(name: str, of_origin: str) -> int | None:
    """Which generation of the log an origin is; None when it belongs to another log."""
    if of_origin == name:
        return 1
    match = _RESTORED.search(of_origin)
    if match is None or of_origin[: match.start()] != name:
        return None
    return int(match[1]) + 1

"""A page of users whose wraps were computed anew and are not written yet."""

from collections.abc import Callable
from dataclasses import dataclass

from vault_service.domain.ids import UserId
from vault_service.storage.keys.rotations import Failure
from vault_service.storage.pool import Conn


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What `write` does in a transaction, and what there is to say of it."""

    looked_at: int  # users, those who need nothing too
    last: UserId | None  # the page's last user; None: the range is done
    wraps: int  # that `write` would write if nobody changed them meanwhile
    failures: tuple[Failure, ...]  # wraps that did not open
    write: Callable[[Conn], int]  # returns how many wraps it wrote

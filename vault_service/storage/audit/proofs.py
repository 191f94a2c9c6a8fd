"""Proofs that leaves are in the log, as of a head that counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from vault_service.domain.errors import IntegrityError
from vault_service.storage.audit.checkpoints import newest_checkpoint
from vault_service.storage.audit.tiles import tile_reader
from vault_service.tlog import tiles
from vault_service.tlog.errors import ProofError


@dataclass(frozen=True, slots=True)
class Head:
    """What proofs lead to."""

    size: int  # leaves
    note: str


def newest_head(conn: Connection) -> Head | None:
    """The newest checkpoint."""
    saved = newest_checkpoint(conn)
    return None if saved is None else Head(saved.size, saved.note)


def prove(conn: Connection, head: Head | None, indexes: Sequence[int | None]) -> dict[int, tuple[bytes, ...]]:
    """Inclusion proofs (RFC 6962, 2.1.1) of those leaves that the head has; one statement for all.

    Raises IntegrityError for a tree that was altered.
    """
    known = [] if head is None else [index for index in indexes if index is not None and index < head.size]
    if head is None or not known:
        return {}
    try:
        found = tiles.inclusion_proofs(tile_reader(conn), known, head.size)
    except ProofError as error:
        raise IntegrityError("the tree of the sealed log was altered") from error
    return {index: tuple(path) for index, path in zip(known, found, strict=True)}

"""Rotations of the login index as a worker has them done."""

from uuid import UUID

from tests.rotation.operator import Operator
from tests.rotation.pepper import WRAPS, Worker
from vault_service.domain.ids import new_uuid
from vault_service.kms.protocol.rotation_messages import BatchRewrapped
from vault_service.kms.service import KeyService
from vault_service.storage.keys.rotations import StoredRotation, insert_rotation

MOVED = WRAPS | {"login_index", "login_index_gen", "failures", "carried", "not_before", "updated_at"}
"""Columns that a rotation of the login index may change; of guesses it adds rows."""


def a_new_index(operator: Operator, *services: KeyService) -> int:
    """Current, and known to these key services as well."""
    gen = operator.next("login-index").gen
    for service in services:
        service.manifests.look()
    return gen


def begin(service: KeyService) -> UUID:
    """A rotation of the login index; it takes the place of one that was under way."""
    rotation, now = new_uuid(), service.now()
    row = StoredRotation(rotation, "login-index", 2, "running", 0, 1, 0, 0, 0, now, None, None)
    with service.db.transaction() as conn:
        conn.execute("UPDATE rotations SET state = 'finished' WHERE kind = 'login-index'")
        assert insert_rotation(conn, row)
    return rotation


def rotate(service: KeyService, worker: Worker) -> BatchRewrapped:
    """Everybody, in one batch."""
    rotation = begin(service)
    done = worker.rewrap(rotation)
    with service.db.transaction() as conn:
        conn.execute("UPDATE rotations SET state = 'finished' WHERE kind = 'login-index'")
    return done

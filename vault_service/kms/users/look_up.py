"""Find whoever has a login, under whichever generation of the index key.

The work and the statements are the same for a login that nobody has. A key service that has not yet read of
the newest generation would find nobody who is on it already, and call the right password a wrong one: so it
compares what it knows with what the database has, and reads the manifest first.
"""

from dataclasses import dataclass

from vault_service.domain.ids import TenantId
from vault_service.domain.manifest import Manifest
from vault_service.domain.rotation_errors import ManifestBehindError
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.live_login import LiveLogin
from vault_service.storage.keys.logins import look_around
from vault_service.storage.keys.users import UserRow, find_by_login


@dataclass(frozen=True, slots=True)
class Found:
    """A login, and the user it leads to; of another tenant or with another login only by tampering."""

    login: LiveLogin
    row: UserRow | None
    manifest: Manifest
    has_decoy: bool = False  # somebody asked for a recovery of the login, and nobody had it


def look_up(service: KeyService, tenant: TenantId, login: str) -> Found:
    """By a normalised login. One token call for each live generation.

    Raises ManifestBehindError, ManifestError, UnavailableError.
    """
    for _ in range(2):
        manifest = service.manifests.current()
        live = service.live_login(tenant, login, manifest)
        with service.db.connection() as conn:
            rows = find_by_login(conn, live.indexes)
            # Afterwards: who was moved meanwhile was moved to one of these generations.
            gens, has_decoy = look_around(conn, live.indexes)
        if gens <= live.gens | live.lost:
            own = (row for row in rows if row.tenant == tenant and live.is_of(row))
            return Found(live, next(own, rows[0] if rows else None), manifest, has_decoy)
        service.manifests.look()
    raise ManifestBehindError("a newer login index key")

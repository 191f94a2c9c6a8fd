"""What still needs a generation of a key.

- pepper, login-index, escrow: wraps of users and open cases, by what their rows say. Before such a
  generation is given up the database counts once more under a lock, by its foreign keys
  (storage/keys/generations.py).
- case: cases under way, and who was identified for one, by the MACs themselves: a row does not say which
  generation made it, and would not be believed.
- note: ceremonies that go on, by the signatures of their notes.
- audit-signing, manifest: nothing, once another one is current. What was signed is verified by the public
  key, which the manifest keeps for good.
"""

from vault_service.domain.rotation import KeyKind
from vault_service.kms.rotation_messages import CensusIs, TakeCensus
from vault_service.kms.service import KeyService
from vault_service.storage.keys.census import Count, count_escrow, count_login_index, count_pepper
from vault_service.storage.keys.generations import LOOK_AT_ALL_S
from vault_service.storage.patience import patient
from vault_service.storage.pool import Conn


def take_census(service: KeyService, request: TakeCensus) -> CensusIs:
    """Count without a lock: how it stands now. Raises UnavailableError, ManifestError."""
    with service.db.transaction() as conn:
        return CensusIs(needed_by(service, conn, request.kind, request.gen))


def needed_by(service: KeyService, conn: Conn, kind: KeyKind, gen: int) -> tuple[Count, ...]:
    """By name; what is 0 is left out."""
    del service
    with patient(conn, LOOK_AT_ALL_S):
        if kind == "pepper":
            return count_pepper(conn, gen)
        if kind == "login-index":
            return count_login_index(conn, gen)
        if kind == "escrow":
            return count_escrow(conn, gen)
    return ()

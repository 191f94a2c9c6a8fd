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

from vault_service.crypto.note_signature import is_signed_by
from vault_service.domain.manifest import Manifest, PublicKeyGeneration
from vault_service.domain.rotation import KeyKind, OnlineKind
from vault_service.kms.cases.book import is_identified_under, is_mac_under
from vault_service.kms.protocol.rotation_messages import CensusIs, TakeCensus
from vault_service.kms.rotation.online_keys import Generation, generations
from vault_service.kms.service import KeyService
from vault_service.storage.keys.census import (
    Count,
    cases_by_mac,
    count_escrow,
    count_login_index,
    count_pepper,
    identified_by,
)
from vault_service.storage.keys.ceremonies import open_ceremonies
from vault_service.storage.keys.generations import LOOK_AT_ALL_S
from vault_service.storage.patience import patient
from vault_service.storage.pool import Conn


def take_census(service: KeyService, request: TakeCensus) -> CensusIs:
    """Count without a lock: how it stands now. Raises UnavailableError, ManifestError."""
    with service.db.transaction() as conn:
        return CensusIs(needed_by(service, conn, request.kind, request.gen))


def needed_by(service: KeyService, conn: Conn, kind: KeyKind, gen: int) -> tuple[Count, ...]:
    """By name; what is 0 is left out."""
    if kind == "case":
        return _some("open cases", _cases(service, conn, gen))
    if kind == "note":
        return _some("open ceremonies", _ceremonies(service, conn, gen))
    with patient(conn, LOOK_AT_ALL_S):
        if kind == "pepper":
            return count_pepper(conn, gen)
        if kind == "login-index":
            return count_login_index(conn, gen)
        if kind == "escrow":
            return count_escrow(conn, gen)
    return ()


def _cases(service: KeyService, conn: Conn, gen: int) -> int:
    """Decoys too: if they stopped being genuine, they would differ from cases about somebody."""
    if _live(service.manifests.verified(conn), "case", gen) is None:
        return 0
    needs = {row.case for row in cases_by_mac(conn) if is_mac_under(service, gen, row)}
    for seen in identified_by(conn):
        if seen.case not in needs and is_identified_under(service, gen, seen):
            needs.add(seen.case)
    return len(needs)


def _ceremonies(service: KeyService, conn: Conn, gen: int) -> int:
    key = _live(service.manifests.verified(conn), "note", gen)
    if not isinstance(key, PublicKeyGeneration):
        return 0
    return sum(is_signed_by(key, row.note, row.signature) for row in open_ceremonies(conn, service.now()))


def _live(manifest: Manifest, kind: OnlineKind, gen: int) -> Generation | None:
    """Something can have been made with it, and can still be verified."""
    keys = (key for key in generations(manifest.keys, kind) if key.state in {"current", "retiring"})
    return next((key for key in keys if key.gen == gen), None)


def _some(name: str, number: int) -> tuple[Count, ...]:
    return ((name, number),) if number else ()

"""Which officers, keys and quorum to believe: a chain of manifests that leads from what is pinned.

Who can write to the database can show an older chain, in which somebody who was removed is an officer
still. So the highest serial that this host has ever seen is kept in a file, outside the database.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vault_service.ceremony.officer_key import UNPINNED
from vault_service.crypto.manifest_chain import verify_chain
from vault_service.domain.errors import ManifestError, UnavailableError
from vault_service.domain.manifest import Manifest, manifest_hash
from vault_service.durable import sync
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.manifests import load_chain


@dataclass(frozen=True, slots=True)
class Trusted:
    """The newest manifest, and the hash of each one that led to it."""

    manifest: Manifest
    hashes: Mapping[int, str]  # by serial; hex


def trusted_chain(parts: RecoveryParts, pinned: str | None = None) -> Trusted:
    """Verify the chain as it is now.

    `pinned`: the fingerprint of an officer's key file, which must be the settings'. Raises ManifestError.
    """
    if not parts.fingerprint:
        raise ManifestError(
            "no fingerprint is pinned on this host",
            remedy="Set manifest_fingerprint in vault.toml to what vaultctl init printed.",
        )
    if pinned == UNPINNED:
        raise ManifestError(
            "your key file was made before genesis and pins no vault yet",
            remedy="Run vaultctl officer pin, with the fingerprint that was read out at genesis.",
        )
    if pinned is not None and pinned != parts.fingerprint:
        raise ManifestError(
            "your key file pins another vault than this host's vault.toml",
            remedy="Use the key file of this vault; if it is, do nothing here and tell the operator.",
        )
    seen = parts.state_dir / "manifest-serial"
    with parts.db.connection() as conn:
        chain = load_chain(conn)
    manifest = verify_chain(chain, pinned=bytes.fromhex(parts.fingerprint), at_least=_highest(seen))
    _remember(seen, manifest.serial)
    return Trusted(manifest, {serial: manifest_hash(link.body).hex() for serial, link in enumerate(chain, 1)})


def _highest(seen: Path) -> int:
    try:
        return int(seen.read_text("ascii"))
    except FileNotFoundError:
        return 1
    except (ValueError, OSError) as error:
        raise ManifestError(f"{seen} does not hold a serial number") from error


def _remember(seen: Path, serial: int) -> None:
    """Before anything is done in its name: what was believed once is never gone behind."""
    if seen.exists() and _highest(seen) >= serial:
        return
    beside = seen.with_name(
        f"{seen.name}.{os.getpid()}.new"
    )  # two officers at once: neither tears the other's
    try:
        seen.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with beside.open("w", encoding="ascii") as file:
            file.write(str(serial))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(seen)
        sync(seen.parent)
    except OSError as error:
        raise UnavailableError(f"the folder {seen.parent} ({error.strerror})") from error

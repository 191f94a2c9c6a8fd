"""The manifest that this key service believes; a chain that is not sound stops everything that needs it."""

import os
import threading
from pathlib import Path

from vault_service.crypto.manifest_chain import verify_chain
from vault_service.domain.errors import ManifestError, PolicyBelowFloorError, UnavailableError
from vault_service.domain.manifest import Manifest
from vault_service.kms.keyring import case_label, login_index_label, pepper_label
from vault_service.kms.token import OnlineToken
from vault_service.policy.rules import Policies
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.pool import Database


class ManifestKeeper:
    """Loads, verifies and keeps the current manifest; remembers the highest serial outside the database."""

    def __init__(
        self, db: Database, token: OnlineToken, policies: Policies, *, fingerprint: str, state_dir: Path
    ) -> None:
        self._db = db
        self._token = token
        self._policies = policies
        self._pinned = bytes.fromhex(fingerprint)
        self._seen = state_dir / "manifest-serial"
        self._lock = threading.Lock()
        self._current: Manifest | None = None

    def current(self) -> Manifest:
        """The verified manifest. Raises ManifestError, or UnavailableError while a part is away."""
        manifest = self._current
        if manifest is not None:
            return manifest
        with self._lock:
            if self._current is None:
                self._current = self._load()
            return self._current

    def _load(self) -> Manifest:
        if not self._pinned:
            raise ManifestError("no fingerprint is pinned: run vaultctl init, then set manifest_fingerprint")
        with self._db.connection() as conn:
            chain = load_chain(conn)
        manifest = verify_chain(chain, pinned=self._pinned, at_least=self._highest_seen())
        self._check_policies(manifest)
        self._check_token(manifest)
        self._remember(manifest.serial)
        return manifest

    def _check_policies(self, manifest: Manifest) -> None:
        """Whoever can write to this host's files must not weaken what a quorum has demanded."""
        if weaker := self._policies.below(manifest.floors):
            rules = "; ".join(weaker)
            raise PolicyBelowFloorError(f"below the floors of manifest {manifest.serial}: {rules}")

    def _check_token(self, manifest: Manifest) -> None:
        """The keys that the manifest names must be the ones in this token, but for those that are no more."""
        kinds = (
            (pepper_label, manifest.keys.pepper),
            (login_index_label, manifest.keys.login_index),
            (case_label, manifest.keys.case),
        )
        expected = {
            label_of(key.gen): bytes.fromhex(key.check)
            for label_of, keys in kinds
            for key in keys
            if key.state != "destroyed"
        }
        self._token.expect_check_values(expected)
        label = f"manifest/{manifest.manifest_key.gen}"
        if self._token.public_key(label).hex() != manifest.manifest_key.public_key:
            raise ManifestError("the online token holds another manifest key than the manifest names")

    def _highest_seen(self) -> int:
        try:
            return int(self._seen.read_text("ascii"))
        except FileNotFoundError:
            return 1
        except ValueError as error:
            raise ManifestError(f"{self._seen} does not hold a serial number") from error

    def _remember(self, serial: int) -> None:
        if self._seen.exists() and self._highest_seen() >= serial:
            return
        beside = self._seen.with_suffix(".new")
        try:
            with beside.open("w", encoding="ascii") as file:
                file.write(str(serial))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._seen)
        except OSError as error:
            raise UnavailableError(f"the key service's state folder ({error.strerror})") from error

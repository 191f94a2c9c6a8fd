"""The manifest that this key service believes; a chain that is not sound stops everything that needs it.

While it runs, another process or host may add a link: the newest serial in the database is looked at every
second, and before officers' decisions are judged. What is found

- is sound: it counts from then on;
- is not sound, and newer than what is believed: everything that needs a manifest is refused, loudly (the
  log, health and readiness say manifest.refused), as it is at a start. The link may be a genuine one that
  somebody damaged, so that an officer who was removed or a key that was retired counts a little longer;
  going on with the older one would grant just that. A superuser of the database can stop the service with
  a row of rubbish, as with a dropped table, but not unnoticed; once the row is gone it goes on by itself;
- is older than what is believed: that stays. This process never goes back, nor does a restarted one: the
  highest serial seen stands in a file, and so do the links. Those that a restored backup lacks are put back
  at the start, if they verify; which generation it needs and can have no more is told then.
"""

import threading
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path

import structlog

from vault_service.crypto.manifest_chain import SignedManifest, verify_chain
from vault_service.domain.errors import ManifestError, PolicyBelowFloorError, rebuild
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Manifest, State, manifest_hash
from vault_service.domain.rotation_errors import GenerationNeededError
from vault_service.kms.kept.chain import KeptChain
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.wrapping.keyring import case_label, login_index_label, pepper_label
from vault_service.policy.rules import Policies
from vault_service.storage.keys.believed_chain import Chain, SerialMemory, believe_chain
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import follow_manifest, one_change_at_a_time
from vault_service.storage.keys.manifests import insert_manifest, load_chain, newest_serial
from vault_service.storage.pool import Conn, Database

_log = structlog.get_logger("kms")


class ManifestKeeper:
    """Loads, verifies and keeps the current manifest; remembers the highest serial outside the database."""

    def __init__(
        self, db: Database, token: OnlineToken, policies: Policies, *, fingerprint: str, state_dir: Path
    ) -> None:
        self._db = db
        self._token = token
        self._policies = policies
        self._fingerprint = fingerprint
        self._memory = SerialMemory(state_dir)
        self._kept = KeptChain(state_dir)
        self._lock = threading.Lock()
        self._current: Manifest | None = None
        self._refused: ManifestError | None = None  # why a newer link is not believed
        token.when_unknown(self.look)

    def current(self) -> Manifest:
        """The verified manifest. Raises ManifestError, or UnavailableError while a part is away."""
        refused = self._refused
        if refused is not None:
            raise rebuild(refused.code, refused.detail, refused.retry_after_s)
        manifest = self._current
        if manifest is not None:
            return manifest
        with self._lock:
            if self._current is None:
                self._current = self._load()
            return self._current

    def fresh(self) -> Manifest:
        """The same, once the database has been looked at: for what officers decide. Raises as `current`."""
        self.look()
        return self.current()

    def look(self) -> None:
        """Notice a link that another process added, or that one which was not believed is gone.

        Nothing before the first manifest is asked for. Raises UnavailableError when it cannot be told.
        """
        if self._current is None:
            return
        with self._db.connection() as conn:
            newest = newest_serial(conn)
        if newest > self._current.serial or self._refused is not None:
            self.reload()

    def reload(self) -> None:
        """Read the chain again. What is wrong with it is said by the next `current`.

        Raises UnavailableError.
        """
        with self._lock:
            try:
                found = self._load()
            except ManifestError as error:
                if self._refused is None:
                    _log.error("kms.manifest_refused", code=error.code)
                self._refused = error
                return
            self._current, self._refused = found, None
        _log.info("kms.manifest", serial=found.serial)

    def verified(self, conn: Conn) -> Manifest:
        """The newest manifest as this transaction sees the chain: what a new link must follow.

        Raises ManifestError, also for a chain that is older than what was seen.
        """
        return self.verified_chain(conn).newest

    def verified_chain(self, conn: Conn) -> Chain:
        """The same with all that led to it."""
        return believe_chain(conn, fingerprint=self._fingerprint, memory=self._memory)

    def check(self, manifest: Manifest) -> None:
        """Whether this key service could work under it: policies and token. Raises ManifestError.

        Before a link is signed: a manifest that stops the service is refused, not found out about.
        """
        self._check_policies(manifest)
        self._check_keys(manifest)

    def _load(self) -> Manifest:
        links, manifest = self._believed()
        self._check_policies(manifest)
        self._check_token(manifest)
        self._kept.keep(links)  # before the serial: what is demanded can be put back
        self._memory.remember(manifest.serial)
        return manifest

    def _believed(self) -> tuple[tuple[SignedManifest, ...], Manifest]:
        try:
            return self._read()
        except ManifestError:
            if not self._put_back():
                raise
        return self._read()

    def _read(self) -> tuple[tuple[SignedManifest, ...], Manifest]:
        with self._db.connection() as conn:
            return load_chain(conn), self.verified(conn)

    def _put_back(self) -> bool:
        """Append what a restored database lacks, with its event; False when it is not that.

        Raises ManifestError, UnavailableError.
        """
        kept, now = self._kept.links(), datetime.now(UTC)
        with self._db.transaction() as conn:
            one_change_at_a_time(conn)  # another key service may do the same
            stored = load_chain(conn)
            if not 0 < len(stored) < len(kept) or kept[: len(stored)] != stored:
                return False
            newest = verify_chain(
                kept, pinned=bytes.fromhex(self._fingerprint), at_least=self._memory.highest()
            )
            for serial, link in enumerate(kept[len(stored) :], len(stored) + 1):
                insert_manifest(conn, serial, link, now)
            try:
                follow_manifest(conn, newest.keys)
            except GenerationNeededError as error:
                raise ManifestError(
                    f"the keys database is a backup of before manifest {newest.serial}: {error.detail}, "
                    "which was destroyed since",
                    remedy="Restore a backup of after that rotation; docs/rotation.md says which opens what.",
                ) from None
            insert_event(conn, KeysEvent.MANIFESTS_PUT_BACK, now, digest=manifest_hash(newest.encode()))
        _log.warning("kms.manifests_put_back", serial=newest.serial)
        return True

    def _check_policies(self, manifest: Manifest) -> None:
        """Whoever can write to this host's files must not weaken what a quorum has demanded."""
        if weaker := self._policies.below(manifest.floors):
            rules = "; ".join(weaker)
            raise PolicyBelowFloorError(f"below the floors of manifest {manifest.serial}: {rules}")

    def _check_token(self, manifest: Manifest) -> None:
        """The keys that the manifest names must be the ones in this token, but for those that are no more.

        Nor those that are prepared: nothing depends on one, so its loss must not stop the service. Before
        such a key becomes current it is looked at (kms/rotation/generations.py).
        """
        self._token.expect_check_values(
            _check_values(manifest, {"current", "retiring"}), prepared=_check_values(manifest, {"prepared"})
        )
        self._check_manifest_key(manifest)

    def _check_keys(self, manifest: Manifest) -> None:
        """The same without demanding them from now on: the manifest is not signed yet."""
        for label, check in _check_values(manifest, {"current", "retiring"}).items():
            if self._token.key_check_value(label) != check:
                raise ManifestError(f"the online token holds another key {label} than the manifest names")
        self._check_manifest_key(manifest)

    def _check_manifest_key(self, manifest: Manifest) -> None:
        label = manifest_label(manifest.manifest_key.gen)
        if self._token.public_key(label).hex() != manifest.manifest_key.public_key:
            raise ManifestError("the online token holds another manifest key than the manifest names")


def manifest_label(gen: int) -> str:
    """The token's name for a generation of the key that signs manifests."""
    return f"manifest/{gen}"


def _check_values(manifest: Manifest, states: AbstractSet[State]) -> dict[str, bytes]:
    kinds = (
        (pepper_label, manifest.keys.pepper),
        (login_index_label, manifest.keys.login_index),
        (case_label, manifest.keys.case),
    )
    return {
        label_of(key.gen): bytes.fromhex(key.check)
        for label_of, keys in kinds
        for key in keys
        if key.state in states
    }

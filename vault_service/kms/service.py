"""What every call of the key service shares: its parts, the app check, the guess count, the proof."""

import contextlib
import hashlib
import hmac
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from vault_service.crypto.argon2 import Argon2
from vault_service.crypto.dek import Dek
from vault_service.crypto.seal import OUTER_WRAPPED_KEY_BYTES
from vault_service.domain.contexts import context, u64
from vault_service.domain.errors import (
    AppKeyRefusedError,
    IntegrityError,
    LoginRefusedError,
    SealBrokenError,
    ThrottledError,
    TokenKeyError,
    UnavailableError,
    VaultError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, AppId, CaseId, OfficerId, TenantId, UserId
from vault_service.domain.manifest import Manifest
from vault_service.domain.tokens import AppKey, secret_hash
from vault_service.kms.kept.heads import HeadKeeper
from vault_service.kms.kept.restored import RestoredWatch
from vault_service.kms.kept.tombstones import Tombstones
from vault_service.kms.limits.budgets import Budgets
from vault_service.kms.limits.case_limits import Openings
from vault_service.kms.limits.officer_calls import OfficerCalls
from vault_service.kms.limits.sealing_watch import SealingWatch
from vault_service.kms.manifest import ManifestKeeper
from vault_service.kms.wrapping.credentials import open_credential
from vault_service.kms.wrapping.keyring import Keyring
from vault_service.kms.wrapping.live_login import LiveLogin, live_generations
from vault_service.kms.wrapping.wraps import LoginBinding, TamperedWrapError, Wraps, noise_user
from vault_service.policy.rules import Policies
from vault_service.storage.keys.apps import AppKeyRow, find_key
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import (
    GuessRefused,
    count_guess_at,
    give_back_guess_at,
    reset_guesses_at,
)
from vault_service.storage.keys.users import LoginRow, UserRow, find_login
from vault_service.storage.pool import Database
from vault_service.tlog.keys import VerifierKey

_NO_TENANT = TenantId(NOBODY)


def utc_now() -> datetime:
    """The host's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class KeyService:
    """The parts, put together once at start."""

    db: Database
    keyring: Keyring
    argon2: Argon2
    manifests: ManifestKeeper
    policies: Policies
    budgets: Budgets
    tombstones: Tombstones
    heads: HeadKeeper
    restored: RestoredWatch
    sealing: SealingWatch
    witnesses: tuple[VerifierKey, ...] = ()  # who may cosign checkpoints
    now: Callable[[], datetime] = utc_now
    openings: Openings = field(default_factory=Openings)
    officer_calls: OfficerCalls = field(default_factory=OfficerCalls)

    @property
    def wraps(self) -> Wraps:
        """Makes and opens wraps."""
        return Wraps(self.keyring, self.argon2)

    def app(self, token: str) -> AppKeyRow:
        """Whose app key this is.

        Raises AppKeyRefusedError, with an event; AppKeysThrottledError beyond what is recorded of them; for
        a right key ThrottledError only when its app has used up its own budget.
        """
        key = AppKey.parse(token)
        with self.db.connection() as conn:
            row = find_key(conn, key.app, key.key, self.now())
        if row is None or not hmac.compare_digest(row.secret_hash, secret_hash(key.secret)):
            self.budgets.spend_refused_key()
            self.record(KeysEvent.APP_REFUSED, app=key.app)
            raise AppKeyRefusedError
        self.budgets.spend(row.app)
        return row

    def live_login(self, tenant: TenantId, login: str, manifest: Manifest) -> LiveLogin:
        """A normalised login under every live generation; one token call each.

        Of a prepared one whose key is lost there is none, and nobody who signs in needs it. Who gives a login
        to somebody is refused until it is given up (logins.py): that it is lost here is not known elsewhere.
        """
        bindings, lost = list[LoginBinding](), set[int]()
        for gen in live_generations(manifest):
            try:
                bindings.append(LoginBinding(self.keyring.login_index(tenant, login, gen), gen))
            except TokenKeyError:
                keys = self.manifests.fresh().keys.login_index
                if any(key.gen == gen and key.state in {"current", "retiring"} for key in keys):
                    raise
                lost.add(gen)
        return LiveLogin(tuple(bindings), frozenset(lost))

    def guessed_at(self, row: UserRow, *, known: bool = True) -> tuple[bytes, ...]:
        """The indexes that guesses at a user's password are counted under: all of the user's login.

        With one generation it is the row's; with more the login is taken from where it is sealed. Who is not
        known is given as many, for the same work.
        """
        manifest = self.manifests.current()
        gens = live_generations(manifest)
        if len(gens) == 1:
            return (row.login_index,)
        with self.db.connection() as conn:
            kept = find_login(conn, row.user)
        kept = kept or LoginRow(row.login_index, row.login_index_gen, manifest.pepper_gen, b"")
        try:
            name = self.keyring.open_login(row.tenant, row.user, kept)
        except SealBrokenError:
            name = ""
        live = self.live_login(row.tenant, name, manifest)
        if known and row.login_index in live.indexes:
            return live.indexes
        made_up = (context(b"nobody", row.login_index, u64(each.index_gen)) for each in live.bindings[1:])
        return (row.login_index, *(hashlib.sha256(each).digest() for each in made_up))

    def noise_user(self, login: LoginBinding, manifest: Manifest) -> UserRow:
        """Stands in for a user that does not exist."""
        return noise_user(
            _NO_TENANT,
            login,
            kdf=self.policies.passwords.argon2id.params(),
            pepper_gen=manifest.pepper_gen,
            wrap_bytes=OUTER_WRAPPED_KEY_BYTES,
        )

    def prove(
        self,
        row: UserRow,
        password: str,
        *,
        known: bool,
        refused: KeysEvent,
        suspended: bool,
        app: AppId | None = None,
        login: LiveLogin | None = None,
    ) -> Dek:
        """Count the guess, then open the DEK with the password.

        `refused`: the event of a refusal, committed before the answer. `suspended`: by a regain because of
        a stolen password (standing.py). `login`: what was handed in, where it was one.
        Raises LoginRefusedError, the same for a wrong password, an unknown login, a locked or suspended one
        and a tampered wrap, and ThrottledError.
        """
        user = row.user if known else NOBODY
        indexes = login.indexes if login is not None else self.guessed_at(row, known=known)
        with self.db.transaction() as conn:
            counted = count_guess_at(conn, indexes, self.policies.limits.guesses, self.now())
            if isinstance(counted, GuessRefused):
                kind = refused if counted.locked else KeysEvent.UNLOCK_THROTTLED
                insert_event(conn, kind, self.now(), user=user, app=app, login_index=row.login_index)
        if isinstance(counted, GuessRefused):
            if counted.locked:
                raise LoginRefusedError
            raise ThrottledError(retry_after_s=max(1, int(counted.wait.total_seconds()) + 1))
        try:
            dek = open_credential(self.wraps, row, password)
        except TamperedWrapError:
            kind = KeysEvent.WRAP_INTEGRITY_FAILED if known else refused
            self.record(kind, user=user, app=app, login_index=row.login_index)
            raise LoginRefusedError from None
        except SealBrokenError:
            self._fill_up(row)
            self.record(refused, user=user, app=app, login_index=row.login_index)
            raise LoginRefusedError from None
        except UnavailableError:
            with contextlib.suppress(UnavailableError), self.db.transaction() as conn:
                give_back_guess_at(conn, indexes, counted, self.now())
            raise
        if suspended or counted.silent:
            self._fill_up(row)
            self.record(refused, user=user, app=app, login_index=row.login_index)
            raise LoginRefusedError
        return dek

    @contextlib.contextmanager
    def proved(self, indexes: Callable[[], tuple[bytes, ...]]) -> Generator[None]:
        """What follows a right password or code; `indexes`: under which its guess was counted.

        Whatever else stops it is no wrong guess: a part that is away, or somebody who changed the user at the
        same time, would lock out whoever goes on trying. One that has been given up meanwhile was wrong.
        """
        try:
            yield
        except LoginRefusedError:
            raise
        except VaultError:
            with contextlib.suppress(VaultError), self.db.transaction() as conn:
                reset_guesses_at(conn, indexes(), self.now())
            raise

    def _fill_up(self, row: UserRow) -> None:
        """A credential of a lower cost than today's would be refused sooner than an unknown login."""
        cost = self.policies.passwords.argon2id.params()
        if row.credential.kdf.is_below(cost):
            with contextlib.suppress(UnavailableError):
                self.argon2.fill_up(row.credential.kdf, cost)

    def refuse_nobody(self, user: UserId, password: str, *, refused: KeysEvent) -> NoReturn:
        """Nobody has this id, or nothing that the call is for: the work and answers of a wrong password.

        Guesses are counted by the id, apart from every login. Raises LoginRefusedError, ThrottledError.
        """
        manifest = self.manifests.current()
        index = hashlib.sha256(context(b"nobody", user.bytes)).digest()
        noise = self.noise_user(LoginBinding(index, manifest.login_index_gen), manifest)
        self.prove(noise, password, known=False, refused=refused, suspended=False)
        raise LoginRefusedError

    @contextlib.contextmanager
    def integrity(self, user: UserId) -> Generator[None]:
        """What is opened inside needs no password: if it does not open, somebody altered or moved it.

        Raises IntegrityError, with its event.
        """
        try:
            yield
        except SealBrokenError:
            self.record(KeysEvent.WRAP_INTEGRITY_FAILED, user=user)
            raise IntegrityError from None

    def record(
        self,
        kind: KeysEvent,
        *,
        user: UserId = NOBODY,
        app: AppId | None = None,
        login_index: bytes | None = None,
        digest: bytes | None = None,
        case: CaseId | None = None,
        officer: OfficerId | None = None,
    ) -> None:
        """Commit one event on its own: for refusals, which change nothing else."""
        with self.db.transaction() as conn:
            insert_event(
                conn, kind, self.now(), user=user, app=app, login_index=login_index, digest=digest,
                case=case, officer=officer,
            )  # fmt: skip

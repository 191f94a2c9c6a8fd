"""The two wraps of a DEK: under the user's password, and to the escrow key.

Both have two layers. The inner one needs the password or the escrow token, the outer one the
online token's pepper; the outer one also binds the login's index, so that a swapped row opens
nothing.
"""

import os
from dataclasses import dataclass

from vault_service.crypto.argon2 import SALT_BYTES, Argon2, check_params
from vault_service.crypto.dek import Dek
from vault_service.crypto.hpke import SEALED_KEY_BYTES, seal_to
from vault_service.crypto.seal import KEY_BYTES, WRAPPED_KEY_BYTES, open_sealed, seal
from vault_service.domain.contexts import Context, EscrowContext, KdfParams, OuterContext, PasswordContext
from vault_service.domain.errors import ConfigurationError, SealBrokenError
from vault_service.domain.ids import CredentialId, DekId, TenantId, UserId, new_uuid
from vault_service.domain.manifest import Manifest
from vault_service.kms.wrapping.keyring import Keyring, OuterOpened
from vault_service.storage.keys.users import CredentialRow, EscrowRow, UserRow


@dataclass(frozen=True, slots=True)
class LoginBinding:
    """The login that outer layers are bound to."""

    index: bytes
    index_gen: int


class TamperedWrapError(SealBrokenError):
    """The outer layer does not open: whatever the password, the row was altered or moved."""

    code = "wrap.tampered"


@dataclass(frozen=True, slots=True)
class Wraps:
    """Makes and opens wraps."""

    keyring: Keyring
    argon2: Argon2

    def seal_password(
        self,
        dek: Dek,
        password: str,
        *,
        epoch: int,
        login: LoginBinding,
        kdf: KdfParams,
        pepper_gen: int,
        must_change: bool = False,
        wait: bool = True,
    ) -> CredentialRow:
        """A new credential: one Argon2, one token call. `wait`: see `Argon2.derive`."""
        salt = os.urandom(SALT_BYTES)
        inner_place = PasswordContext(dek.tenant, dek.user, dek.dek, epoch, kdf, salt)
        inner = seal(self.argon2.derive(password, salt, kdf, wait=wait), inner_place, dek.key)
        wrap = self.keyring.seal_outer(
            outer_place(b"password", inner_place.encode(), login, pepper_gen), inner
        )
        return CredentialRow(
            CredentialId(new_uuid()), epoch, kdf, salt, pepper_gen, wrap, must_change, bound_to=login.index
        )

    def open_password(self, row: UserRow, password: str) -> Dek:
        """The DEK: one Argon2, one token call, whether the password is right or the user exists.

        Raises TamperedWrapError when no password could have opened it, SealBrokenError when this
        one does not.
        """
        credential = row.credential
        inner_place = _password_place(row)
        try:
            check_params(credential.kdf)
            place = outer_place(b"password", inner_place.encode(), login_of(row), credential.pepper_gen)
        except (ConfigurationError, SealBrokenError):
            # A row that was altered to make guessing cheap, or dear for us, or that has no encoding.
            raise TamperedWrapError from None
        kek = self.argon2.derive(password, credential.salt, credential.kdf)
        outer = self.keyring.open_outer(place, credential.wrap, inner_length=WRAPPED_KEY_BYTES)
        return open_inner(kek, inner_place, outer, row)

    def seal_escrow(self, dek: Dek, manifest: Manifest, *, login: LoginBinding, pepper_gen: int) -> EscrowRow:
        """An escrow wrap to the current escrow key of a verified manifest; the escrow token stays closed."""
        key = manifest.escrow_key
        point = bytes.fromhex(key.public_key)
        info = EscrowContext(dek.tenant, dek.user, dek.dek, key.gen, point).encode()
        inner = seal_to(point, info, dek.key)
        wrap = self.keyring.seal_outer(outer_place(b"escrow", info, login, pepper_gen), inner)
        return EscrowRow(key.gen, pepper_gen, wrap)

    def rebind_password(self, row: UserRow, *, login: LoginBinding, pepper_gen: int) -> CredentialRow:
        """The same inner wrap under an outer layer for another login. Raises TamperedWrapError."""
        credential = row.credential
        inner_place = _password_place(row).encode()
        inner = self._peel(
            outer_place(b"password", inner_place, login_of(row), credential.pepper_gen),
            credential.wrap,
            WRAPPED_KEY_BYTES,
        )
        wrap = self.keyring.seal_outer(outer_place(b"password", inner_place, login, pepper_gen), inner)
        return CredentialRow(
            CredentialId(new_uuid()), credential.epoch, credential.kdf, credential.salt, pepper_gen, wrap,
            credential.must_change, bound_to=login.index,
        )  # fmt: skip

    def rebind_escrow(
        self, row: UserRow, escrow: EscrowRow, manifest: Manifest, *, login: LoginBinding, pepper_gen: int
    ) -> EscrowRow:
        """The same inner escrow wrap under an outer layer for another login. Raises TamperedWrapError."""
        info = escrow_place(row.tenant, row.user, row.dek, escrow.escrow_gen, manifest).encode()
        inner = self._peel(
            outer_place(b"escrow", info, login_of(row), escrow.pepper_gen), escrow.wrap, SEALED_KEY_BYTES
        )
        wrap = self.keyring.seal_outer(outer_place(b"escrow", info, login, pepper_gen), inner)
        return EscrowRow(escrow.escrow_gen, pepper_gen, wrap)

    def _peel(self, place: OuterContext, blob: bytes, inner_length: int) -> bytes:
        outer = self.keyring.open_outer(place, blob, inner_length=inner_length)
        if not outer.genuine:
            raise TamperedWrapError
        return outer.inner


def open_inner(key: bytes, place: Context, outer: OuterOpened, row: UserRow) -> Dek:
    """The DEK in an inner layer: the same work whether the outer one was genuine or gave noise.

    Raises TamperedWrapError when no key could have opened it, SealBrokenError when this one does not.
    """
    try:
        opened = open_sealed(key, place, outer.inner, length=WRAPPED_KEY_BYTES)
    except SealBrokenError:
        if not outer.genuine:
            raise TamperedWrapError from None
        raise
    dek = Dek(row.tenant, row.user, row.dek, opened)
    try:
        dek.verify(row.dek_check)
    except SealBrokenError:
        raise TamperedWrapError from None
    return dek


def escrow_place(tenant: TenantId, user: UserId, dek: DekId, gen: int, manifest: Manifest) -> EscrowContext:
    """The context of an escrow wrap. Raises TamperedWrapError for a generation that there never was."""
    point = next((key.public_key for key in manifest.keys.escrow if key.gen == gen), None)
    if point is None:
        raise TamperedWrapError
    return EscrowContext(tenant, user, dek, gen, bytes.fromhex(point))


def noise_user(
    tenant: TenantId, login: LoginBinding, *, kdf: KdfParams, pepper_gen: int, wrap_bytes: int
) -> UserRow:
    """Stands in for a user that does not exist, so that the work is the same."""
    credential = CredentialRow(
        CredentialId(new_uuid()), 1, kdf, os.urandom(SALT_BYTES), pepper_gen, os.urandom(wrap_bytes), False
    )
    return UserRow(
        tenant, UserId(new_uuid()), DekId(new_uuid()), os.urandom(KEY_BYTES), login.index, login.index_gen,
        credential, credential_used=True,
    )  # fmt: skip


def login_of(row: UserRow) -> LoginBinding:
    """What a user's outer layers are bound to."""
    return LoginBinding(row.login_index, row.login_index_gen)


def _password_place(row: UserRow) -> PasswordContext:
    credential = row.credential
    return PasswordContext(row.tenant, row.user, row.dek, credential.epoch, credential.kdf, credential.salt)


def outer_place(label: bytes, inner: bytes, login: LoginBinding, pepper_gen: int) -> OuterContext:
    """The context of an outer layer; `inner`: the encoded inner context, whose label is `label`."""
    return OuterContext(label, inner, login.index_gen, login.index, pepper_gen)

"""A user's one credential, of whichever kind it is: a password wrap, or what a regain left.

A regain's is two wraps. `regain.key` holds the case's private key under the new password, as it was made
when the case was opened; `wrap` holds the DEK sealed to that key's public half, as a ceremony left it. Both
have the outer layer. The second is bound to the epoch and to the case's hash, so that what was sealed for
one case opens for no other.
"""

from cryptography.hazmat.primitives.asymmetric import ec

from vault_service.crypto.argon2 import check_params
from vault_service.crypto.dek import Dek
from vault_service.crypto.hpke import SEALED_KEY_BYTES, DiffieHellman, load_public_key, open_with
from vault_service.crypto.seal import WRAPPED_KEY_BYTES, open_sealed
from vault_service.domain.contexts import OuterContext, RegainContext, RegainKeyContext
from vault_service.domain.errors import ConfigurationError, SealBrokenError
from vault_service.domain.ids import CaseId, CredentialId, new_uuid
from vault_service.kms.wrapping.keyring import Keyring
from vault_service.kms.wrapping.wraps import LoginBinding, TamperedWrapError, Wraps, login_of, outer_place
from vault_service.storage.keys.regains import RegainKeyRow
from vault_service.storage.keys.users import CredentialRow, RegainPart, UserRow

REGAIN, REGAIN_KEY = b"regain", b"regain-key"  # labels of the inner contexts


def open_credential(wraps: Wraps, row: UserRow, password: str) -> Dek:
    """The DEK. Raises TamperedWrapError and SealBrokenError as `Wraps.open_password` does."""
    part = row.credential.regain
    return wraps.open_password(row, password) if part is None else _open_regain(wraps, row, part, password)


def rebind_credential(wraps: Wraps, row: UserRow, *, login: LoginBinding, pepper_gen: int) -> CredentialRow:
    """The same inner wraps under outer layers for another login. Raises TamperedWrapError."""
    part, old = row.credential.regain, row.credential
    if part is None:
        return wraps.rebind_password(row, login=login, pepper_gen=pepper_gen)
    keyring, key_place, place = wraps.keyring, _key_place(row, part), _place(row, part)
    inner_key = _inner(keyring, _outer_key(row, part, key_place), part.key, WRAPPED_KEY_BYTES)
    inner = _inner(keyring, _outer(row, place), old.wrap, SEALED_KEY_BYTES)
    key = keyring.seal_outer(outer_place(REGAIN_KEY, key_place.encode(), login, pepper_gen), inner_key)
    wrap = keyring.seal_outer(outer_place(REGAIN, place.encode(), login, pepper_gen), inner)
    return CredentialRow(
        CredentialId(new_uuid()), old.epoch, old.kdf, old.salt, pepper_gen, wrap, old.must_change,
        RegainPart(part.case, part.case_hash, part.public_key, key, pepper_gen), bound_to=login.index,
    )  # fmt: skip


def regain_credential(
    keyring: Keyring, user: UserRow, key: RegainKeyRow, sealed_dek: bytes, *, case: CaseId, case_hash: bytes,
    public_key: bytes, pepper_gen: int,
) -> CredentialRow:  # fmt: skip
    """What a ceremony leaves: `user` as they are before, `sealed_dek` HPKE to the case's key (113 bytes).

    Two token calls. Raises TamperedWrapError when no password will ever open the stored private key: then
    the old password must not be given up for it.
    """
    part = RegainPart(case, case_hash, public_key, key.wrap, key.pepper_gen)
    epoch = user.credential.epoch + 1
    place = RegainContext(user.tenant, user.user, user.dek, epoch, case_hash)
    key_place = RegainKeyContext(user.tenant, user.user, user.dek, case, key.kdf, key.salt, public_key)
    login = login_of(user)
    _inner(
        keyring, outer_place(REGAIN_KEY, key_place.encode(), login, key.pepper_gen), key.wrap,
        WRAPPED_KEY_BYTES,
    )  # fmt: skip
    wrap = keyring.seal_outer(outer_place(REGAIN, place.encode(), login, pepper_gen), sealed_dek)
    return CredentialRow(
        CredentialId(new_uuid()), epoch, key.kdf, key.salt, pepper_gen, wrap, must_change=False, regain=part,
        bound_to=login.index,
    )  # fmt: skip


def _open_regain(wraps: Wraps, row: UserRow, part: RegainPart, password: str) -> Dek:
    """One Argon2 and two token calls, whether the password is right or wrong."""
    credential = row.credential
    try:
        check_params(credential.kdf)
        key_place, place = _key_place(row, part), _place(row, part)
        outer_key, outer = _outer_key(row, part, key_place), _outer(row, place)
        load_public_key(part.public_key)
    except (ConfigurationError, SealBrokenError):
        raise TamperedWrapError from None
    kek = wraps.argon2.derive(password, credential.salt, credential.kdf)
    sealed_key = wraps.keyring.open_outer(outer_key, part.key, inner_length=WRAPPED_KEY_BYTES)
    sealed_dek = wraps.keyring.open_outer(outer, credential.wrap, inner_length=SEALED_KEY_BYTES)
    if not (sealed_key.genuine and sealed_dek.genuine):
        raise TamperedWrapError
    private = open_sealed(kek, key_place, sealed_key.inner, length=WRAPPED_KEY_BYTES)
    try:
        key = open_with(_multiply(private), part.public_key, place.encode(), sealed_dek.inner)
        dek = Dek(row.tenant, row.user, row.dek, key)
        dek.verify(row.dek_check)
    except SealBrokenError:
        raise TamperedWrapError from None  # the password was right: a ceremony left something else
    return dek


def _multiply(private: bytes) -> DiffieHellman:
    """By a private scalar (32 bytes, big endian) in this process's memory."""
    key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
    return lambda peer: key.exchange(ec.ECDH(), load_public_key(peer))


def _key_place(row: UserRow, part: RegainPart) -> RegainKeyContext:
    credential = row.credential
    return RegainKeyContext(
        row.tenant, row.user, row.dek, part.case, credential.kdf, credential.salt, part.public_key
    )


def _place(row: UserRow, part: RegainPart) -> RegainContext:
    return RegainContext(row.tenant, row.user, row.dek, row.credential.epoch, part.case_hash)


def _outer_key(row: UserRow, part: RegainPart, place: RegainKeyContext) -> OuterContext:
    return outer_place(REGAIN_KEY, place.encode(), login_of(row), part.key_pepper_gen)


def _outer(row: UserRow, place: RegainContext) -> OuterContext:
    return outer_place(REGAIN, place.encode(), login_of(row), row.credential.pepper_gen)


def _inner(keyring: Keyring, place: OuterContext, blob: bytes, length: int) -> bytes:
    opened = keyring.open_outer(place, blob, inner_length=length)
    if not opened.genuine:
        raise TamperedWrapError
    return opened.inner


def rebind_outer(
    keyring: Keyring, before: OuterContext, after: OuterContext, blob: bytes, inner_length: int
) -> bytes:
    """The same inner wrap in another place. Two token calls. Raises TamperedWrapError."""
    return keyring.seal_outer(after, _inner(keyring, before, blob, inner_length))

"""The wrap of a DEK under the code that its user keeps: outer layer, then a seal under the code itself.

There is no Argon2: 128 random bits cannot be guessed.
"""

import os
from dataclasses import replace

from vault_service.crypto.dek import Dek
from vault_service.crypto.seal import OUTER_WRAPPED_KEY_BYTES, WRAPPED_KEY_BYTES, seal
from vault_service.domain.contexts import CodeContext, OuterContext
from vault_service.domain.ids import new_uuid
from vault_service.kms.wrapping.keyring import Keyring
from vault_service.kms.wrapping.wraps import LoginBinding, TamperedWrapError, open_inner
from vault_service.storage.keys.recovery_codes import CodeRow
from vault_service.storage.keys.users import UserRow


def seal_code(keyring: Keyring, row: UserRow, dek: Dek, code: bytes, *, pepper_gen: int) -> CodeRow:
    """A wrap for the user's present epoch under 16 random bytes: one token call."""
    place = _place(row)
    outer = _outer(place, LoginBinding(row.login_index, row.login_index_gen), pepper_gen)
    wrap = keyring.seal_outer(outer, seal(code, place, dek.key))
    return CodeRow(new_uuid(), dek.dek, place.epoch, pepper_gen, wrap)


def open_code(keyring: Keyring, row: UserRow, stored: CodeRow, code: bytes) -> Dek:
    """The DEK: one token call, whether or not the code is right or there is one.

    The epoch is the credential's, not the stored one: a code of an older password opens nothing, also when
    its row was put back in SQL. Raises TamperedWrapError when no code could have opened it, SealBrokenError
    when this one does not.
    """
    place = _place(row)
    login = LoginBinding(row.login_index, row.login_index_gen)
    outer = keyring.open_outer(
        _outer(place, login, stored.pepper_gen), stored.wrap, inner_length=WRAPPED_KEY_BYTES
    )
    return open_inner(code, place, outer, row)


def rebind_code(
    keyring: Keyring, row: UserRow, stored: CodeRow, *, login: LoginBinding, pepper_gen: int
) -> CodeRow:
    """The same inner wrap under an outer layer for another login. Raises TamperedWrapError."""
    place = _place(row)
    before = LoginBinding(row.login_index, row.login_index_gen)
    outer = keyring.open_outer(
        _outer(place, before, stored.pepper_gen), stored.wrap, inner_length=WRAPPED_KEY_BYTES
    )
    if not outer.genuine:
        raise TamperedWrapError
    wrap = keyring.seal_outer(_outer(place, login, pepper_gen), outer.inner)
    return replace(stored, pepper_gen=pepper_gen, wrap=wrap)


def noise_code(row: UserRow) -> CodeRow:
    """Stands in for a code that there is not, so that the work is the same."""
    credential = row.credential
    wrap = os.urandom(OUTER_WRAPPED_KEY_BYTES)
    return CodeRow(new_uuid(), row.dek, credential.epoch, credential.pepper_gen, wrap)


def _place(row: UserRow) -> CodeContext:
    return CodeContext(row.tenant, row.user, row.dek, row.credential.epoch)


def _outer(place: CodeContext, login: LoginBinding, pepper_gen: int) -> OuterContext:
    return OuterContext(b"code", place.encode(), login.index_gen, login.index, pepper_gen)

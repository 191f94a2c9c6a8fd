"""Every wrap of a page of users that is under the pepper, and opening outer layers by the hundred.

The contexts are those of wraps.py, credentials.py, code_wrap.py and keyring.py; here they are built from
rows, without a password, a code or the escrow token.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vault_service.crypto.hpke import SEALED_KEY_BYTES
from vault_service.crypto.seal import OVERHEAD, WRAPPED_KEY_BYTES, open_sealed
from vault_service.domain.case import parse_case
from vault_service.domain.contexts import (
    CodeContext,
    Context,
    EncodedContext,
    KdfParams,
    LoginNameContext,
    PasswordContext,
    RegainContext,
    RegainKeyContext,
)
from vault_service.domain.errors import SealBrokenError, VaultError
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.domain.manifest import Manifest
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.wrapping.credentials import REGAIN, REGAIN_KEY
from vault_service.kms.wrapping.keyring import pepper_label
from vault_service.kms.wrapping.wraps import LoginBinding, escrow_place, outer_place
from vault_service.storage.keys import peppered as stored
from vault_service.storage.keys.rewraps import Key, Place
from vault_service.storage.keys.rotations import Failure, WrapName

_OUTER_WRAPPED, _OUTER_SEALED = WRAPPED_KEY_BYTES + OVERHEAD, SEALED_KEY_BYTES + OVERHEAD


class Peppered(NamedTuple):
    """One wrap with all that its outer layer is bound to."""

    user: UserId
    name: WrapName
    place: Place
    key: Key
    gen: int
    wrap: bytes
    length: int | None  # bytes; None: a login's differs
    label: bytes  # of the inner context
    inner: bytes | None  # the inner context, encoded; None: the row was altered so that it has none
    login: LoginBinding
    login_before: LoginBinding | None = None  # it may be bound to this one instead

    def context(self, gen: int, login: LoginBinding | None = None) -> EncodedContext:
        """Under this generation of the pepper. Raises SealBrokenError where there can be none."""
        if self.inner is None:
            raise SealBrokenError
        if self.place == "login":  # sealed directly: there is no inner layer
            return EncodedContext(self.inner)
        return EncodedContext(outer_place(self.label, self.inner, login or self.login, gen).encode())

    def failure(self) -> Failure:
        """How it is told."""
        return Failure(self.user, self.name)

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"Peppered({self.user}, {self.name})"


def of_users(users: Iterable[stored.PepperedUser]) -> Iterator[Peppered]:
    """Sealed login, credential and recovery code of each."""
    for row in users:
        login = LoginBinding(row.login_index, row.login_index_gen)
        place = LoginNameContext(row.tenant, row.user, row.login_index_gen, row.login_index)
        yield Peppered(
            row.user, "login-name", "login", (row.user,), row.login_pepper_gen, row.sealed_login, None,
            b"", _encoded(place), login,
        )  # fmt: skip
        if row.dek is not None and row.pepper_gen is not None:
            yield from _of_credential(row, row.dek, row.pepper_gen, login)
            if row.code_pepper_gen is not None:
                code = CodeContext(row.tenant, row.user, row.dek, row.epoch)
                yield Peppered(
                    row.user, "code", "code", (row.user,), row.code_pepper_gen, row.code_wrap,
                    _OUTER_WRAPPED, b"code", _encoded(code), login,
                )  # fmt: skip


def _of_credential(row: stored.PepperedUser, dek: DekId, gen: int, login: LoginBinding) -> Iterator[Peppered]:
    kdf = KdfParams(*row.kdf)
    if row.regain_case is None or row.regain_key_pepper_gen is None:
        place = PasswordContext(row.tenant, row.user, dek, row.epoch, kdf, row.salt)
        yield Peppered(
            row.user, "password", "credential", (row.user,), gen, row.wrap, _OUTER_WRAPPED,
            b"password", _encoded(place), login,
        )  # fmt: skip
        return
    regain = RegainContext(row.tenant, row.user, dek, row.epoch, row.regain_case_hash)
    yield Peppered(
        row.user, "regain", "credential", (row.user,), gen, row.wrap, _OUTER_SEALED, REGAIN,
        _encoded(regain), login,
    )  # fmt: skip
    key = RegainKeyContext(row.tenant, row.user, dek, row.regain_case, kdf, row.salt, row.regain_pk)
    yield Peppered(
        row.user, "regain-key", "credential's regain key", (row.user,), row.regain_key_pepper_gen,
        row.regain_key, _OUTER_WRAPPED, REGAIN_KEY, _encoded(key), login,
    )  # fmt: skip


def of_escrow(rows: Iterable[stored.PepperedEscrow], manifest: Manifest) -> Iterator[Peppered]:
    """Of every DEK, also one that is kept beside the current one, and of every escrow generation."""
    for row in rows:
        inner: bytes | None
        try:
            inner = escrow_place(row.tenant, row.user, row.dek, row.escrow_gen, manifest).encode()
        except SealBrokenError:
            inner = None
        yield Peppered(
            row.user, "escrow", "escrow", (row.user, row.dek, row.escrow_gen), row.pepper_gen, row.wrap,
            _OUTER_SEALED, b"escrow", inner, LoginBinding(row.login_index, row.login_index_gen),
        )  # fmt: skip


def of_regain_keys(rows: Iterable[stored.PepperedRegainKey]) -> Iterator[Peppered]:
    """Of cases: bound to the login that the case was opened with, or to the user's, had it another index."""
    for row in rows:
        then = LoginBinding(row.case_login_index or b"", row.case_login_index_gen or 1)
        now = LoginBinding(row.login_index or b"", row.login_index_gen or 1) if row.login_index else then
        yield Peppered(
            row.user, "regain-key", "case's regain key", (row.case,), row.pepper_gen, row.wrap,
            _OUTER_WRAPPED, REGAIN_KEY, _case_key_place(row), now, None if then == now else then,
        )  # fmt: skip


def _case_key_place(row: stored.PepperedRegainKey) -> bytes | None:
    try:
        case = parse_case(row.body)
    except VaultError:
        return None
    if case.tenant is None or case.user_id is None or case.dek_id is None or case.target_pk is None:
        return None
    point = bytes.fromhex(case.target_pk)
    tenant, user, dek = TenantId(case.tenant), UserId(case.user_id), DekId(case.dek_id)
    return _encoded(RegainKeyContext(tenant, user, dek, case.case_id, KdfParams(*row.kdf), row.salt, point))


def _encoded(place: Context) -> bytes | None:
    try:
        return place.encode()
    except SealBrokenError:
        return None


# --- opening


class Opened(NamedTuple):
    """A wrap whose outer layer came off, and the key that a new one is made with."""

    wrap: Peppered
    login: LoginBinding
    inner: bytes
    new_key: bytes  # empty unless asked for
    new_context: EncodedContext

    def __repr__(self) -> str:
        """Neither a wrap nor a key in a traceback."""
        return f"Opened({self.wrap})"


def open_many(
    token: OnlineToken, wraps: Sequence[Peppered], manifest: Manifest, *, new_gen: int | None = None
) -> tuple[list[Opened], list[Failure]]:
    """Take the outer layers off; in the same visits to the token, make the keys of `new_gen`'s.

    Raises TokenUnavailableError.
    """
    opened, broken = _try(token, [(each, each.login) for each in wraps], manifest, new_gen)
    again = [(each, each.login_before) for each in broken if each.login_before is not None]
    failures = [each.failure() for each in broken if each.login_before is None]
    if again:
        more, still = _try(token, again, manifest, new_gen)
        opened += more
        failures += [each.failure() for each in still]
    return opened, failures


def _try(
    token: OnlineToken,
    wraps: Sequence[tuple[Peppered, LoginBinding]],
    manifest: Manifest,
    new_gen: int | None,
) -> tuple[list[Opened], list[Peppered]]:
    live = {key.gen: pepper_label(key.gen) for key in manifest.keys.pepper if key.state != "destroyed"}
    broken: list[Peppered] = []
    tried: list[tuple[Peppered, LoginBinding, EncodedContext, EncodedContext]] = []
    wanted: list[tuple[str, bytes]] = []
    for each, login in wraps:
        try:
            label, place = live[each.gen], each.context(each.gen, login)
            new_place = place if new_gen is None else each.context(new_gen, login)
        except (KeyError, SealBrokenError):  # of a generation that there never was, say: nobody asks a token
            broken.append(each)
            continue
        tried.append((each, login, place, new_place))
        wanted.append((label, place.encoded))
        if new_gen is not None:
            wanted.append((live[new_gen], new_place.encoded))
    keys = iter(token.hmac_many(wanted))
    opened: list[Opened] = []
    for each, login, place, new_place in tried:
        key, new_key = next(keys), b"" if new_gen is None else next(keys)
        try:
            inner = open_sealed(key, place, each.wrap, length=each.length)
        except SealBrokenError:
            broken.append(each)
        else:
            opened.append(Opened(each, login, inner, new_key, new_place))
    return opened, broken

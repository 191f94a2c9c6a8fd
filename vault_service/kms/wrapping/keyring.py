"""The online token's secret keys by purpose: login indexes, the pepper's outer layer, sealed logins."""

import os
from dataclasses import dataclass

from vault_service.crypto.seal import OVERHEAD, open_sealed, seal
from vault_service.domain.contexts import LoginNameContext, OuterContext, login_index_input
from vault_service.domain.errors import SealBrokenError, TokenKeyError
from vault_service.domain.ids import TenantId, UserId
from vault_service.kms.token.online import OnlineToken
from vault_service.storage.keys.users import LoginRow


def pepper_label(gen: int) -> str:
    """The token's name for a generation of the pepper."""
    return f"pepper/{gen}"


def login_index_label(gen: int) -> str:
    """The token's name for a generation of the login index key."""
    return f"login/{gen}"


def case_label(gen: int) -> str:
    """The token's name for a generation of the key that cases are authenticated with."""
    return f"case/{gen}"


@dataclass(frozen=True, slots=True)
class OuterOpened:
    """What was inside an outer layer, or noise of the same length if it did not open."""

    inner: bytes
    genuine: bool


@dataclass(frozen=True, slots=True)
class Keyring:
    """Everything that is computed in the online token while people sign up and in."""

    token: OnlineToken

    def login_index(self, tenant: TenantId, login: str, gen: int) -> bytes:
        """32 bytes that stand for a normalised login; nobody without the token can test a guess."""
        return self.token.hmac(login_index_label(gen), login_index_input(tenant, login))

    def case_mac(self, gen: int, message: bytes) -> bytes:
        """32 bytes over a case, or over who was identified for it; nobody without the token can make one."""
        return self.token.hmac(case_label(gen), message)

    def seal_outer(self, place: OuterContext, inner: bytes) -> bytes:
        """Put the outer layer on a wrap."""
        return seal(self.token.hmac(pepper_label(place.pepper_gen), place.encode()), place, inner)

    def open_outer(self, place: OuterContext, blob: bytes, *, inner_length: int) -> OuterOpened:
        """Take the outer layer off; a wrap that was altered or moved gives noise, for equal work."""
        try:
            key = self._pepper(place.pepper_gen, place.encode())
            inner = open_sealed(key, place, blob, length=inner_length + OVERHEAD)
            return OuterOpened(inner, genuine=True)
        except SealBrokenError:
            return OuterOpened(os.urandom(inner_length), genuine=False)

    def seal_login(
        self, tenant: TenantId, user: UserId, login: str, *, index: bytes, index_gen: int, pepper_gen: int
    ) -> LoginRow:
        """The row that the keys database keeps of a login."""
        place = LoginNameContext(tenant, user, index_gen, index)
        key = self.token.hmac(pepper_label(pepper_gen), place.encode())
        return LoginRow(index, index_gen, pepper_gen, seal(key, place, login.encode("utf-8")))

    def open_login(self, tenant: TenantId, user: UserId, row: LoginRow) -> str:
        """The login in the clear. Raises SealBrokenError."""
        place = LoginNameContext(tenant, user, row.index_gen, row.index)
        key = self._pepper(row.pepper_gen, place.encode())
        return open_sealed(key, place, row.sealed).decode("utf-8")

    def _pepper(self, gen: int, message: bytes) -> bytes:
        """For what a row says. Raises SealBrokenError for a generation that there never was.

        A key that the manifest does name and that is not in the token is another matter: the token's.
        """
        try:
            return self.token.hmac(pepper_label(gen), message)
        except TokenKeyError:
            raise SealBrokenError from None

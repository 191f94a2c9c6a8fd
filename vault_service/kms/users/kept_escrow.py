"""Escrow wraps of data keys that are being given up: their outer layers are bound to the login as well."""

from dataclasses import dataclass, replace

from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.ids import DekId
from vault_service.domain.manifest import Manifest
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.wraps import LoginBinding
from vault_service.storage.keys.data_keys import kept_escrows, replace_kept_escrow
from vault_service.storage.keys.logins import has_login
from vault_service.storage.keys.users import EscrowRow, UserRow
from vault_service.storage.pool import Conn


@dataclass(frozen=True, slots=True)
class Rebound:
    """One wrap as it was found and as it is to be."""

    dek: DekId
    found: EscrowRow
    wrap: EscrowRow


def rebind_kept(
    service: KeyService, row: UserRow, manifest: Manifest, *, login: LoginBinding
) -> tuple[Rebound, ...]:
    """The same inner wraps under outer layers for another login.

    For most users, who have none: no statement. Raises TamperedWrapError, ConcurrentChangeError.
    """
    if not row.has_older_dek:
        return ()
    with service.db.connection() as conn:
        found = kept_escrows(conn, row.user)
        same = has_login(conn, row.user, row.login_index)
    if not same:  # a rotation of the index moved the user meanwhile, and these wraps too: nobody altered them
        raise ConcurrentChangeError
    return tuple(
        Rebound(
            dek, escrow,
            service.wraps.rebind_escrow(
                replace(row, dek=dek), escrow, manifest, login=login, pepper_gen=manifest.pepper_gen
            ),
        )
        for dek, escrow in found
    )  # fmt: skip


def put_kept(conn: Conn, row: UserRow, rebound: tuple[Rebound, ...]) -> None:
    """Within the transaction that moves the user. Raises ConcurrentChangeError, for it to be taken back."""
    for each in rebound:
        if not replace_kept_escrow(conn, row.user, each.dek, each.found, each.wrap):
            raise ConcurrentChangeError

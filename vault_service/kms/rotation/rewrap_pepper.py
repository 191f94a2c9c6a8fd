"""Move wraps to the current pepper: only the outer layer is made anew, nobody's password is needed (P7)."""

import itertools
from collections.abc import Sequence

from vault_service.crypto.seal import seal
from vault_service.domain.ids import UserId
from vault_service.kms.rotation.rewrapped import Rewrapped
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.peppered import Opened, of_escrow, of_regain_keys, of_users, open_many
from vault_service.storage.keys.peppered import escrow_between, page_of_users, regain_keys_between
from vault_service.storage.keys.rewraps import NewWrap, replace_wraps
from vault_service.storage.pool import Conn


def rewrap_pepper(service: KeyService, after: UserId, upto: UserId, limit: int) -> Rewrapped:
    """The next `limit` users' wraps, computed: two token operations for each that is on an older generation.

    Raises UnavailableError.
    """
    manifest = service.manifests.fresh()  # from a key service that is behind nothing gets to a retiring one
    gen = manifest.pepper_gen
    with service.db.connection() as conn:
        users = page_of_users(conn, after, upto, limit)
        last = users[-1].user if len(users) == limit else None
        escrow = escrow_between(conn, after, last or upto)
        cases = regain_keys_between(conn, after, last or upto)
    found = itertools.chain(of_users(users), of_escrow(escrow, manifest), of_regain_keys(cases))
    older = [wrap for wrap in found if wrap.gen < gen]
    opened, failures = open_many(service.keyring.token, older, manifest, new_gen=gen)
    new = _sealed(opened)

    def write(conn: Conn) -> int:
        return replace_wraps(conn, new, pepper_gen=gen)

    return Rewrapped(len(users), last, len(new), tuple(failures), write)


def _sealed(opened: Sequence[Opened]) -> list[NewWrap]:
    return [
        NewWrap(
            each.wrap.place, each.wrap.key, each.wrap.wrap, seal(each.new_key, each.new_context, each.inner)
        )
        for each in opened
    ]

"""Open outer layers again, of all users or of a sample, to see that a rotation left what opens.

Nothing is handed out but counts and the ids of users whose wraps do not open. The inner layers need the
password or the officers: a drill opens those (ceremony/drill.py).
"""

import itertools
import secrets
from collections.abc import Iterable

from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, UserId
from vault_service.domain.manifest import Manifest
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.rotation_messages import (
    FailedWrap,
    ReportVerified,
    VerifyWraps,
    WrapsVerified,
)
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.peppered import of_escrow, of_regain_keys, of_users, open_many
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.peppered import (
    HIGHEST,
    escrow_between,
    escrow_of,
    highest_hash,
    page_of_users,
    regain_keys_between,
    regain_keys_of,
    sample_page,
)
from vault_service.storage.keys.rotations import Failure
from vault_service.storage.pool import Conn

_PAGE = 100
"""Users in a visit to the token: a transaction that idles meanwhile is ended by the database after 10 s."""


def verify_wraps(service: KeyService, request: VerifyWraps) -> WrapsVerified:
    """One page: one token operation for each wrap, of whatever generation.

    Each wrap that does not open is an event and stays as it is. Raises UnavailableError, ManifestError.
    """
    manifest = service.manifests.fresh()
    after, limit = UserId(request.after), request.limit
    with service.db.connection() as conn:
        if request.sample is None:
            users = page_of_users(conn, after, HIGHEST, limit)
            last = users[-1].user if len(users) == limit else None
            escrow = escrow_between(conn, after, last or HIGHEST)
            cases = regain_keys_between(conn, after, last or HIGHEST)
        else:
            upto_hash = highest_hash(conn, request.sample)
            users, last = sample_page(conn, after, limit, upto_hash=upto_hash, seed=request.seed)
            escrow = escrow_of(conn, [row.user for row in users])
            cases = regain_keys_of(conn, [row.user for row in users])
    found = itertools.chain(of_users(users), of_escrow(escrow, manifest), of_regain_keys(cases))
    opened, failures = open_many(service.keyring.token, list(found), manifest)
    if failures:
        tell_failures(service, failures)
    failed = tuple(FailedWrap(each.user, each.wrap) for each in failures)
    return WrapsVerified(opened=len(opened), failed=failed, last=last, more=last is not None)


def report_verified(service: KeyService, request: ReportVerified) -> Done:
    """A verification has ended, with this report."""
    service.record(KeysEvent.WRAPS_VERIFIED, digest=request.digest)
    return Done()


def failures_of_sample(
    service: KeyService, conn: Conn, manifest: Manifest, sample: int
) -> tuple[Failure, ...]:
    """What does not open of about so many users' wraps; who they are nobody can tell before.

    Raises UnavailableError.
    """
    upto_hash, seed = highest_hash(conn, sample), secrets.randbits(63)
    found: list[Failure] = []
    after: UserId | None = UserId(NOBODY)
    while after is not None:
        users, after = sample_page(conn, after, _PAGE, upto_hash=upto_hash, seed=seed)
        ids = [row.user for row in users]
        wraps = itertools.chain(
            of_users(users),
            of_escrow(escrow_of(conn, ids), manifest),
            of_regain_keys(regain_keys_of(conn, ids)),
        )
        found += open_many(service.keyring.token, list(wraps), manifest)[1]
    return tuple(found)


def tell_failures(service: KeyService, failures: Iterable[Failure]) -> None:
    """An event for each."""
    now = service.now()
    with service.db.transaction() as conn:
        for failure in failures:
            insert_event(conn, KeysEvent.WRAP_INTEGRITY_FAILED, now, user=failure.user)

"""Password wraps whose Argon2 cost is below today's."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection

from vault_service.domain.contexts import KdfParams
from vault_service.domain.ids import UserId
from vault_service.storage.keys.users import CredentialRow


@dataclass(frozen=True, slots=True)
class CostPage:
    """Of the credentials of one page."""

    looked_at: int
    below: int
    last: UUID | None


def replace_wrap(conn: Connection, user: UserId, old: CredentialRow, new: CredentialRow) -> bool:
    """Compare-and-set on the wrap: the same credential, password and epoch, at another cost.

    Its id, its times and whether it has to be changed stay: nothing else may tell that it was wrapped anew.
    """
    done = conn.execute(
        """UPDATE credentials SET kdf_memory_kib = %(mem)s, kdf_iterations = %(iters)s, kdf_lanes = %(lanes)s,
             salt = %(salt)s, pepper_gen = %(pepper)s, wrap = %(wrap)s
           WHERE user_id = %(user)s AND credential_id = %(cred)s AND epoch = %(epoch)s AND wrap = %(old)s""",
        {
            "user": user,
            "cred": old.credential,
            "epoch": old.epoch,
            "old": old.wrap,
            "mem": new.kdf.memory_kib,
            "iters": new.kdf.iterations,
            "lanes": new.kdf.lanes,
            "salt": new.salt,
            "pepper": new.pepper_gen,
            "wrap": new.wrap,
        },
    )
    return done.rowcount == 1


def count_below(conn: Connection, cost: KdfParams, *, after: UUID, limit: int) -> CostPage:
    """The next credentials above a user's id, by the rule of `KdfParams.is_below`.

    In pages, since all of a million do not fit into the time that a statement has.
    """
    row = conn.execute(
        """SELECT count(*), count(*) FILTER (WHERE below), (array_agg(user_id ORDER BY user_id DESC))[1]
           FROM (SELECT user_id, (kdf_memory_kib::bigint * kdf_iterations, kdf_memory_kib)
                          < (%(work)s::bigint, %(mem)s::integer) AS below
                 FROM credentials WHERE user_id > %(after)s ORDER BY user_id LIMIT %(limit)s) page""",
        {"work": cost.work(), "mem": cost.memory_kib, "after": after, "limit": limit},
    ).fetchone()
    assert row is not None
    return CostPage(*row)

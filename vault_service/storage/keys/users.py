"""Users, their one current credential, their DEK and its escrow wrap."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import Connection

from vault_service.domain.contexts import KdfParams
from vault_service.domain.ids import CaseId, CredentialId, DekId, TenantId, UserId
from vault_service.storage.keys.events import is_told


@dataclass(frozen=True, slots=True)
class LoginRow:
    """How the keys database knows a login."""

    index: bytes = field(repr=False)  # 32 bytes
    index_gen: int
    pepper_gen: int
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RegainPart:
    """What a credential that a regain left has besides: the private key that its wrap is sealed to."""

    case: CaseId
    case_hash: bytes = field(repr=False)  # 32 bytes
    public_key: bytes = field(repr=False)  # 65 bytes
    key: bytes = field(repr=False)  # 154 bytes: the private half under the password and the pepper
    key_pepper_gen: int


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """The wrap of the DEK that the user's password opens: a password wrap, or a regain's."""

    credential: CredentialId
    epoch: int
    kdf: KdfParams
    salt: bytes = field(repr=False)
    pepper_gen: int
    wrap: bytes = field(repr=False)  # 154 bytes; 174 of a regain
    must_change: bool
    regain: RegainPart | None = None
    bound_to: bytes | None = field(default=None, repr=False)  # the login index in its outer layers' contexts


@dataclass(frozen=True, slots=True)
class EscrowRow:
    """An escrow wrap of the DEK."""

    escrow_gen: int
    pepper_gen: int
    wrap: bytes = field(repr=False)  # 174 bytes


@dataclass(frozen=True, slots=True)
class UserRow:
    """Everything that an unlock needs."""

    tenant: TenantId
    user: UserId
    dek: DekId
    dek_check: bytes = field(repr=False)
    login_index: bytes = field(repr=False)
    login_index_gen: int
    credential: CredentialRow
    credential_used: bool
    has_case: bool = False  # one about this user is open or being executed
    has_older_dek: bool = False  # see data_keys.py
    data_key_demanded: bool = False  # likewise


_SELECT = """
  SELECT u.tenant_id, u.user_id, c.dek_id, d.dek_check, u.login_index, u.login_index_gen,
         c.credential_id, c.epoch, c.kdf_memory_kib, c.kdf_iterations, c.kdf_lanes, c.salt, c.pepper_gen,
         c.wrap, c.must_change, c.used_at IS NOT NULL,
         EXISTS (SELECT 1 FROM cases k WHERE k.user_id = u.user_id AND k.state IN ('open', 'executing')),
         EXISTS (SELECT 1 FROM deks o WHERE o.user_id = u.user_id AND o.kept IS NOT NULL),
         EXISTS (SELECT 1 FROM data_key_demands m WHERE m.user_id = u.user_id),
         c.regain_case, c.regain_case_hash, c.regain_pk, c.regain_key, c.regain_key_pepper_gen
  FROM users u JOIN credentials c USING (user_id) JOIN deks d ON d.user_id = u.user_id AND d.dek_id = c.dek_id
"""


def _user(row: tuple[object, ...] | None) -> UserRow | None:
    if row is None:
        return None
    (tenant, user, dek, check, index, gen, cred, epoch, mem, iters, lanes, salt, pepper, wrap, must, used,
     has_case, has_older, demanded, case, case_hash, public_key, key, key_pepper) = row  # fmt: skip
    regain = None if case is None else RegainPart(case, case_hash, public_key, key, key_pepper)  # type: ignore[arg-type]  # columns of the statement above
    kdf = KdfParams(mem, iters, lanes)  # type: ignore[arg-type]  # likewise
    credential = CredentialRow(cred, epoch, kdf, salt, pepper, wrap, must, regain, index)  # type: ignore[arg-type]  # likewise
    return UserRow(tenant, user, dek, check, index, gen, credential, used, has_case, has_older, demanded)  # type: ignore[arg-type]  # likewise


def find_by_login(conn: Connection, indexes: Sequence[bytes]) -> tuple[UserRow, ...]:
    """The user of a login that has an index under each live generation.

    More than one only if somebody planted a row.
    """
    rows = conn.execute(
        _SELECT + "JOIN logins l ON l.user_id = u.user_id WHERE l.login_index = ANY(%(indexes)s::bytea[])",
        {"indexes": list(indexes)},
        prepare=True,
    ).fetchall()
    return tuple(user for row in rows if (user := _user(row)) is not None)


def find_by_id(conn: Connection, user: UserId) -> UserRow | None:
    """The user of an id."""
    return _user(
        conn.execute(_SELECT + "WHERE u.user_id = %(user)s", {"user": user}, prepare=True).fetchone()
    )


def find_epoch(conn: Connection, user: UserId) -> int | None:
    """The user's epoch; None when there is no such user."""
    row = conn.execute(
        "SELECT epoch FROM users WHERE user_id = %(user)s", {"user": user}, prepare=True
    ).fetchone()
    return row[0] if row else None


def insert_user(
    conn: Connection,
    *,
    tenant: TenantId,
    user: UserId,
    dek: DekId,
    dek_check: bytes,
    login: LoginRow,
    credential: CredentialRow,
    escrow: EscrowRow,
    now: datetime,
) -> bool:
    """Insert a user whole. False when the login or the id is taken: then nothing stands."""
    taken = conn.execute(
        """INSERT INTO logins (login_index, login_index_gen, user_id) VALUES (%(index)s, %(gen)s, %(user)s)
           ON CONFLICT DO NOTHING""",
        {"index": login.index, "gen": login.index_gen, "user": user},
        prepare=True,
    )
    if taken.rowcount == 0:
        return False
    inserted = conn.execute(
        """INSERT INTO users (user_id, tenant_id, dek_id, epoch, login_index, login_index_gen, pepper_gen,
                              sealed_login, created_at)
           VALUES (%(user)s, %(tenant)s, %(dek)s, %(epoch)s, %(index)s, %(gen)s, %(pepper)s,
                   %(sealed)s, %(now)s)
           ON CONFLICT DO NOTHING""",
        {
            "user": user,
            "tenant": tenant,
            "dek": dek,
            "epoch": credential.epoch,
            "index": login.index,
            "gen": login.index_gen,
            "pepper": login.pepper_gen,
            "sealed": login.sealed,
            "now": now,
        },
        prepare=True,
    )
    if inserted.rowcount == 0:
        conn.execute("DELETE FROM logins WHERE login_index = %(index)s", {"index": login.index})
        return False
    insert_dek(conn, user, dek, dek_check, escrow, now)
    insert_credential(conn, user, dek, credential, now)
    return True


def insert_dek(
    conn: Connection, user: UserId, dek: DekId, dek_check: bytes, escrow: EscrowRow, now: datetime
) -> None:
    """A DEK with its escrow wrap; neither stands without the other."""
    conn.execute(
        """INSERT INTO escrow_wraps (user_id, dek_id, escrow_gen, pepper_gen, wrap, created_at)
           VALUES (%(user)s, %(dek)s, %(gen)s, %(pepper)s, %(wrap)s, %(now)s)""",
        {
            "user": user,
            "dek": dek,
            "gen": escrow.escrow_gen,
            "pepper": escrow.pepper_gen,
            "wrap": escrow.wrap,
            "now": now,
        },
        prepare=True,
    )
    conn.execute(
        """INSERT INTO deks (user_id, dek_id, dek_check, escrow_gen, created_at)
           VALUES (%(user)s, %(dek)s, %(check)s, %(gen)s, %(now)s)""",
        {"user": user, "dek": dek, "check": dek_check, "gen": escrow.escrow_gen, "now": now},
        prepare=True,
    )


def insert_credential(
    conn: Connection, user: UserId, dek: DekId, credential: CredentialRow, now: datetime
) -> None:
    """The user's one current credential."""
    conn.execute(
        """INSERT INTO credentials (user_id, credential_id, kind, dek_id, epoch, kdf_memory_kib,
                                    kdf_iterations, kdf_lanes, salt, pepper_gen, wrap, must_change,
                                    created_at)
           VALUES (%(user)s, %(cred)s, %(kind)s, %(dek)s, %(epoch)s, %(mem)s, %(iters)s,
                   %(lanes)s, %(salt)s, %(pepper)s, %(wrap)s, %(must)s, %(now)s)""",
        {"user": user, "dek": dek, "now": now, **_credential_values(credential)},
        prepare=True,
    )


def _credential_values(credential: CredentialRow) -> dict[str, object]:
    return {
        "cred": credential.credential,
        "epoch": credential.epoch,
        "mem": credential.kdf.memory_kib,
        "iters": credential.kdf.iterations,
        "lanes": credential.kdf.lanes,
        "salt": credential.salt,
        "pepper": credential.pepper_gen,
        "wrap": credential.wrap,
        "must": credential.must_change,
        "kind": "password" if (part := credential.regain) is None else "regain",
        "case": part and part.case,
        "case_hash": part and part.case_hash,
        "pk": part and part.public_key,
        "key": part and part.key,
        "key_pepper": part and part.key_pepper_gen,
        "bound": credential.bound_to,
    }


def replace_credential(
    conn: Connection, user: UserId, expected: CredentialId, credential: CredentialRow, now: datetime
) -> bool:
    """Compare-and-set on the credential's id; of two at once exactly one wins.

    The new one must be bound to the login index that the user has by now: a rotation of the index leaves the
    credential's id as it is, and nothing opens what is bound to the index of before. A recovery code ends
    with the epoch that it was made in.
    """
    # First the lock, and then a statement that sees what the one who held it has left.
    if not hold_credential(conn, user, expected):
        return False
    done = conn.execute(
        """WITH c AS (
             UPDATE credentials SET credential_id = %(cred)s, epoch = %(epoch)s, kdf_memory_kib = %(mem)s,
               kdf_iterations = %(iters)s, kdf_lanes = %(lanes)s, salt = %(salt)s, pepper_gen = %(pepper)s,
               wrap = %(wrap)s, must_change = %(must)s, used_at = NULL, created_at = %(now)s,
               kind = %(kind)s, regain_case = %(case)s, regain_case_hash = %(case_hash)s, regain_pk = %(pk)s,
               regain_key = %(key)s, regain_key_pepper_gen = %(key_pepper)s
             WHERE user_id = %(user)s AND credential_id = %(expected)s
               AND (%(bound)s::bytea IS NULL OR EXISTS (SELECT 1 FROM users u
                      WHERE u.user_id = %(user)s AND u.login_index = %(bound)s::bytea)) RETURNING user_id)
           UPDATE users SET epoch = %(epoch)s FROM c WHERE users.user_id = c.user_id""",
        {"user": user, "expected": expected, "now": now, **_credential_values(credential)},
        prepare=True,
    )
    if done.rowcount == 0:
        return False
    # A statement of its own: the one above may have waited for a code to be made, and not see it.
    conn.execute(
        "DELETE FROM recovery_codes WHERE user_id = %(user)s AND epoch <> %(epoch)s",
        {"user": user, "epoch": credential.epoch},
        prepare=True,
    )
    return True


def raise_epoch(
    conn: Connection, user: UserId, expected: CredentialId, credential: CredentialRow, now: datetime
) -> bool:
    """The same for a credential of the next epoch; False also when the trail tells of one already.

    Its own epoch counts, which is in its wrap, and under the lock: whoever looked before may have been shown
    the row of now, between two looks at one that was put back.
    """
    if not hold_credential(conn, user, expected) or is_told(conn, user, credential.epoch):
        return False
    return replace_credential(conn, user, expected, credential, now)


def replace_dek(
    conn: Connection,
    user: UserId,
    expected: CredentialId,
    *,
    old: DekId,
    new: DekId,
    credential: CredentialRow,
    now: datetime,
) -> bool:
    """Give up a DEK that nothing was ever opened with; False when its credential was used or changed."""
    unused = conn.execute(
        """SELECT 1 FROM credentials
           WHERE user_id = %(user)s AND credential_id = %(expected)s AND used_at IS NULL FOR UPDATE""",
        {"user": user, "expected": expected},
    ).fetchone()
    if unused is None or not raise_epoch(conn, user, expected, credential, now):
        return False
    values = {"user": user, "old": old, "new": new}
    conn.execute("UPDATE credentials SET dek_id = %(new)s WHERE user_id = %(user)s", values)
    conn.execute("UPDATE users SET dek_id = %(new)s WHERE user_id = %(user)s", values)
    conn.execute("DELETE FROM escrow_wraps WHERE user_id = %(user)s AND dek_id = %(old)s", values)
    conn.execute("DELETE FROM deks WHERE user_id = %(user)s AND dek_id = %(old)s", values)
    return True


def find_login(conn: Connection, user: UserId) -> LoginRow | None:
    """A user's login as it is kept."""
    row = conn.execute(
        """SELECT login_index, login_index_gen, pepper_gen, sealed_login FROM users
           WHERE user_id = %(user)s""",
        {"user": user},
        prepare=True,
    ).fetchone()
    return LoginRow(*row) if row else None


def mark_used(conn: Connection, user: UserId, credential: CredentialId, now: datetime) -> bool:
    """The credential opened its DEK; False when it is no longer the current one."""
    done = conn.execute(
        """UPDATE credentials SET used_at = coalesce(used_at, %(now)s)
           WHERE user_id = %(user)s AND credential_id = %(cred)s""",
        {"user": user, "cred": credential, "now": now},
        prepare=True,
    )
    return done.rowcount == 1


def is_current(conn: Connection, user: UserId, credential: CredentialId, now: datetime) -> bool:
    """Like mark_used for a credential that was used before: a lock until the end instead of a write."""
    del now
    row = conn.execute(
        """SELECT 1 FROM credentials WHERE user_id = %(user)s AND credential_id = %(cred)s FOR SHARE""",
        {"user": user, "cred": credential},
        prepare=True,
    ).fetchone()
    return row is not None


def hold_credential(conn: Connection, user: UserId, credential: CredentialId) -> bool:
    """Lock the credential until the end of the transaction; False when it is no longer the current one."""
    row = conn.execute(
        "SELECT 1 FROM credentials WHERE user_id = %(user)s AND credential_id = %(cred)s FOR UPDATE",
        {"user": user, "cred": credential},
    ).fetchone()
    return row is not None


def find_escrow(conn: Connection, user: UserId, dek: DekId) -> EscrowRow | None:
    """The current escrow wrap of a DEK."""
    row = conn.execute(
        """SELECT e.escrow_gen, e.pepper_gen, e.wrap
           FROM deks d JOIN escrow_wraps e USING (user_id, dek_id, escrow_gen)
           WHERE d.user_id = %(user)s AND d.dek_id = %(dek)s""",
        {"user": user, "dek": dek},
        prepare=True,
    ).fetchone()
    return EscrowRow(*row) if row else None

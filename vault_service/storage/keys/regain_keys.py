"""The private keys of regains, under the new passwords; no officer's process can read this table."""

from dataclasses import dataclass, field

from psycopg import Connection

from vault_service.domain.contexts import KdfParams
from vault_service.domain.ids import CaseId, UserId


@dataclass(frozen=True, slots=True)
class RegainKeyRow:
    """A case's private key: sealed under the new password, then under the pepper."""

    kdf: KdfParams
    salt: bytes = field(repr=False)  # 16 bytes
    pepper_gen: int
    wrap: bytes = field(repr=False)  # 154 bytes


def insert_regain_key(conn: Connection, case: CaseId, row: RegainKeyRow) -> None:
    """Together with its case."""
    conn.execute(
        """INSERT INTO regain_keys (case_id, kdf_memory_kib, kdf_iterations, kdf_lanes, salt, pepper_gen,
                                    wrap)
           VALUES (%(case)s, %(mem)s, %(iters)s, %(lanes)s, %(salt)s, %(pepper)s, %(wrap)s)""",
        {
            "case": case,
            "mem": row.kdf.memory_kib,
            "iters": row.kdf.iterations,
            "lanes": row.kdf.lanes,
            "salt": row.salt,
            "pepper": row.pepper_gen,
            "wrap": row.wrap,
        },
    )


def find_regain_key(conn: Connection, case: CaseId) -> RegainKeyRow | None:
    """A regain's; None once the case is decided."""
    row = conn.execute(
        """SELECT kdf_memory_kib, kdf_iterations, kdf_lanes, salt, pepper_gen, wrap FROM regain_keys
           WHERE case_id = %(case)s""",
        {"case": case},
    ).fetchone()
    return RegainKeyRow(KdfParams(row[0], row[1], row[2]), row[3], row[4], row[5]) if row else None


def delete_regain_key(conn: Connection, case: CaseId) -> None:
    """The case is decided: what the key could open is now with the credential, or never comes to be."""
    conn.execute("DELETE FROM regain_keys WHERE case_id = %(case)s", {"case": case})


def delete_regain_keys_of(conn: Connection, user: UserId) -> None:
    """Of every case of a user."""
    conn.execute(
        """DELETE FROM regain_keys
           WHERE case_id IN (SELECT case_id FROM cases WHERE user_id = %(user)s)""",
        {"user": user},
    )

"""Moving a user to another login: the login's row and every outer layer, together."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import CredentialId, DekId, UserId
from vault_service.storage.keys.recovery_codes import CodeRow, move_code
from vault_service.storage.keys.users import (
    CredentialRow,
    EscrowRow,
    LoginRow,
    hold_credential,
    replace_credential,
)


def replace_login(
    conn: Connection,
    user: UserId,
    expected: CredentialId,
    *,
    old_index: bytes,
    login: LoginRow,
    credential: CredentialRow,
    dek: DekId,
    escrow: EscrowRow,
    code: CodeRow | None,
    new_code: CodeRow | None,
    now: datetime,
) -> bool | None:
    """Move a user to another login with all outer layers; True done, False taken, None changed meanwhile.

    `code`: the recovery code that was found; `new_code`: the same for the new login.
    """
    taken = conn.execute(
        """INSERT INTO logins (login_index, login_index_gen, user_id) VALUES (%(index)s, %(gen)s, %(user)s)
           ON CONFLICT DO NOTHING""",
        {"index": login.index, "gen": login.index_gen, "user": user},
    )
    if taken.rowcount == 0:
        return False
    held = hold_credential(conn, user, expected) and move_code(conn, user, code, new_code)
    if not held or not replace_credential(conn, user, expected, credential, now):
        conn.execute("DELETE FROM logins WHERE login_index = %(index)s", {"index": login.index})
        return None
    conn.execute("DELETE FROM logins WHERE login_index = %(index)s", {"index": old_index})
    conn.execute(
        """UPDATE users SET login_index = %(index)s, login_index_gen = %(gen)s, pepper_gen = %(pepper)s,
             sealed_login = %(sealed)s WHERE user_id = %(user)s""",
        {
            "user": user,
            "index": login.index,
            "gen": login.index_gen,
            "pepper": login.pepper_gen,
            "sealed": login.sealed,
        },
    )
    conn.execute(
        """UPDATE escrow_wraps SET wrap = %(wrap)s, pepper_gen = %(pepper)s
           WHERE user_id = %(user)s AND dek_id = %(dek)s AND escrow_gen = %(gen)s""",
        {
            "user": user,
            "dek": dek,
            "gen": escrow.escrow_gen,
            "pepper": escrow.pepper_gen,
            "wrap": escrow.wrap,
        },
    )
    return True

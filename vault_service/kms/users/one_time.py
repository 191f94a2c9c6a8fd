"""Passwords that must be changed: the service made them up, and whoever brought the person knows them.

No wrap binds the credential's mark, which a superuser of the keys database can set and clear. The form of
the password that is handed in cannot be forged: it opened the wrap, and no chosen password has that form.
"""

from vault_service.domain.tokens import is_one_time_password
from vault_service.storage.keys.users import UserRow


def must_change(row: UserRow, password: str) -> bool:
    """Whether this password, which opened the credential, is for nothing but choosing another one."""
    return row.credential.must_change or is_one_time_password(password)


def may_be_redeemed(row: UserRow, password: str) -> bool:
    """Whether it may be tried without an app's key: that must be no way to try what people chose."""
    return row.credential.must_change and is_one_time_password(password)

"""Rotate the login index: the key that turns a login into the index by which its user is found.

A new key is made in the online token and becomes current. Workers of the keys side compute each user's index
anew from the sealed login, and bind the user's wraps to it, a user at a time; logins of both generations are
found meanwhile. The older key stays until `vaultctl rotate retire login-index GEN`.

This is `vaultctl rotate login-index`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_login_index.py --dry-run
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "login-index"))

"""Rotate the pepper: the key of the outer layer of every wrap.

A new key is made in the online token and becomes current. Workers of the keys side move every user's wraps to
it, in batches that may die anywhere; a sample is opened again. Nobody's password is needed, users notice
nothing, and no record is touched. The older key stays until `vaultctl rotate retire pepper GEN`.

This is `vaultctl rotate pepper`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_pepper.py --dry-run
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "pepper"))

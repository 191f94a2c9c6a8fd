"""Rotate the case key: the key that shows that a stored case is the one that was opened.

A new key is made in the online token and becomes current. Nothing is rewritten: open cases go on under the
older key until they end; then `vaultctl rotate retire case GEN`.

This is `vaultctl rotate case`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_case.py --dry-run
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "case"))

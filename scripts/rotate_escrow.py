"""Show which of the officers' steps of a new escrow key is next, and its command.

Only officers rotate this key: a key ceremony, an officer change, an escrow rotation, a drill, and an officer
change that gives the old one up. This script changes nothing; run it after each step.

This is `vaultctl rotate escrow`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_escrow.py
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "escrow"))

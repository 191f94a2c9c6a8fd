"""Rotate the key that signs the heads of both audit logs.

A new key is made in the online token and becomes current. What the older one signed verifies for good. Before
`vaultctl rotate retire audit-signing GEN`, every witness and auditor needs the new lines of audit.vkey.

This is `vaultctl rotate audit-signing`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_audit_signing.py --dry-run
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "audit-signing"))

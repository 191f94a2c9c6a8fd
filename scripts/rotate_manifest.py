"""Rotate the key that signs the manifest, which lists all other keys.

A new key is made in the online token; the older one signs it in. What that signed verifies for good. Then
`vaultctl rotate retire manifest GEN`.

This is `vaultctl rotate manifest`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_manifest.py --dry-run
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "manifest"))

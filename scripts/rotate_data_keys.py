"""Have users' data keys rotated at their next sign-in, since that takes their password.

For a list of users after a compromise, or for those whose key is older than the policy says. Their ids stand
in a file, one in a line (docs/runbooks/rotation.md says how to get it).

This is `vaultctl rotate data-key`, with its options (--help), its output and its exit codes:

    .venv/bin/python scripts/rotate_data_keys.py --file users.txt
"""

from vault_service.cli.main import main

if __name__ == "__main__":
    main(("rotate", "data-key"))

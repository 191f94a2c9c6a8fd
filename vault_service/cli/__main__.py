"""`python -m vault_service.cli` is vaultctl."""

from vault_service.cli.main import main

if __name__ == "__main__":
    main()

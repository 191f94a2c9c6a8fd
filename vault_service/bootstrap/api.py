"""The public API put together from its settings."""

from vault_service.accounts.accounts import Accounts
from vault_service.accounts.service import AccountParts
from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.settings import Settings, read_secret
from vault_service.storage.dsn import read_dsn


def build_accounts(settings: Settings) -> tuple[Accounts, Policies]:
    """The parts of the public API. Raises ConfigurationError."""
    if settings.api is None:
        raise missing("api")
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    db = connect(settings.api.database, size=settings.api.threads + 2, name="api")
    return Accounts(AccountParts(db, kms_client(settings.api.kms), policies)), policies


def check_accounts(settings: Settings) -> None:
    """Raise what `build_accounts` would, with no thread and no connection: for a process yet to fork."""
    if settings.api is None:
        raise missing("api")
    load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    read_dsn(settings.api.database.dsn, "api")
    read_secret(settings.api.database.password_file)
    kms_client(settings.api.kms).close()

"""The public API put together from its settings."""

import re
from dataclasses import dataclass, field

from vault_service.accounts.accounts import Accounts
from vault_service.accounts.service import AccountParts
from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.domain.errors import AppKeyRefusedError, ConfigurationError
from vault_service.domain.tokens import AppKey
from vault_service.policy.load import load_policies
from vault_service.policy.page_rules import UserPageRule
from vault_service.policy.rules import Policies
from vault_service.settings import Api, Settings, as_browsers_say, read_secret
from vault_service.storage.dsn import read_dsn

_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class UserPage:
    """Where users have a page of their own, and as which app it acts."""

    origin: str
    app_key: AppKey = field(repr=False)
    rule: UserPageRule


def build_accounts(settings: Settings) -> tuple[Accounts, Policies]:
    """The parts of the public API. Raises ConfigurationError."""
    if settings.api is None:
        raise missing("api")
    policies = load_policies(
        settings.policies_dir, recovery=settings.recovery_policy, pages=settings.pages_policy
    )
    db = connect(settings.api.database, size=settings.api.threads + 2, name="api")
    return Accounts(AccountParts(db, kms_client(settings.api.kms), policies)), policies


def check_accounts(settings: Settings) -> None:
    """Raise what `build_accounts` would, with no thread and no connection: for a process yet to fork."""
    if settings.api is None:
        raise missing("api")
    user_page(
        settings.api,
        load_policies(settings.policies_dir, recovery=settings.recovery_policy, pages=settings.pages_policy),
    )
    read_dsn(settings.api.database.dsn, "api")
    read_secret(settings.api.database.password_file)
    kms_client(settings.api.kms).close()


def user_page(api: Api, policies: Policies) -> UserPage | None:
    """None unless both this host's settings and the policy switch it on. Raises ConfigurationError."""
    origin, key_file = api.user_page_origin, api.user_page_app_key
    if (origin is None) != (key_file is None):
        raise ConfigurationError(
            "api.user_page_origin and api.user_page_app_key go together",
            remedy="Set both for the user's page, or neither.",
        )
    if origin is None or key_file is None or not policies.pages.user_page.enabled:
        return None
    if _ORIGIN.fullmatch(origin) is None:
        raise ConfigurationError(
            "api.user_page_origin is no origin", remedy="Write it as browsers do: https://vault.example.org"
        )
    if (said := as_browsers_say(origin)) != origin:
        raise ConfigurationError(
            f"api.user_page_origin {origin}: browsers send {said}, and no form would be accepted",
            remedy=f"Write {said}.",
        )
    try:
        return UserPage(origin, AppKey.parse(read_secret(key_file)), policies.pages.user_page)
    except AppKeyRefusedError:
        raise ConfigurationError(
            f"{key_file} holds no app key", remedy="Put there what vaultctl app create has printed."
        ) from None

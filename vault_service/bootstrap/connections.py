"""How every process reaches its database and the key service, as its settings say."""

import contextlib
from collections.abc import Generator

from vault_service.domain.errors import ConfigurationError
from vault_service.kms.client import ClientTls, KmsClient
from vault_service.settings import Database as DatabaseSettings
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.settings import Settings, private_file, read_secret
from vault_service.storage.pool import Database, open_database


def connect(database: DatabaseSettings, *, size: int, name: str) -> Database:
    """A pool of connections of one role; connects when it is first needed."""
    return open_database(database.dsn, read_secret(database.password_file), size=size, name=name)


def kms_client(settings: KmsClientSettings) -> KmsClient:
    """A client of the key service."""
    tls = settings.tls
    if tls is None:
        return KmsClient(settings.url)
    if tls.ca is None:
        raise ConfigurationError("kms.tls has no ca", remedy="Name the key service's authority.")
    return KmsClient(settings.url, ClientTls(tls.certificate, private_file(tls.key), tls.ca))


@contextlib.contextmanager
def operator_client(settings: Settings) -> Generator[KmsClient]:
    """A client of the key service, as the operator. Raises ConfigurationError on any other host."""
    if settings.operator is None:
        raise missing("operator")
    client = kms_client(settings.operator)
    try:
        yield client
    finally:
        client.close()


def missing(section: str) -> ConfigurationError:
    """What a process says that finds no settings of its own."""
    return ConfigurationError(
        f"there is no [{section}] section", remedy=f"Add [{section}] to vault.toml, or run this on its host."
    )

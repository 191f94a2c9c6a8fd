"""The SDK's errors as the command line's: the same codes, remedies and exit codes."""

from collections.abc import Generator
from contextlib import contextmanager

from vault_service.client import VaultApiError, VaultClientError, VaultConnectionError
from vault_service.domain.errors import UnavailableError, VaultError, rebuild


class ApiUnreachableError(UnavailableError):
    """The vault's API does not answer."""

    code = "api.unreachable"
    remedy = "Check --api and that the vault runs, then run the same command again."


@contextmanager
def as_vault_errors() -> Generator[None, None, None]:
    """Raises VaultError in place of VaultClientError."""
    try:
        yield
    except VaultApiError as error:
        raise rebuild(error.code, error.detail, _whole(error.retry_after_s)) from None
    except VaultConnectionError as error:
        raise ApiUnreachableError(f"the vault ({error})") from None
    except VaultClientError as error:
        raise VaultError(str(error)) from None


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)

"""An online token in a test's own process: the two seconds that a service has for it may be too few there."""

from tests.dev.waiting import until
from vault_service.domain.errors import TokenPinRefusedError, TokenUnavailableError
from vault_service.kms.token.online import OnlineToken


def opened(token: OnlineToken) -> OnlineToken:
    """The same, connected."""

    def is_open() -> bool:
        try:
            token.open()
        except TokenPinRefusedError:
            raise
        except TokenUnavailableError:  # it goes on trying
            return False
        return True

    until(is_open)
    return token

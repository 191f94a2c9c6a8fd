"""What can be in the way of something that is to be sent out."""

from vault_service.domain.errors import ConfigurationError, UnavailableError


class OutboundRefusedError(ConfigurationError):
    """This address is not among those that the vault may send to."""

    code = "outbound.refused"
    remedy = "Correct the address, or list its network under allow in policies/outbound.toml."


class OutboundUnavailableError(UnavailableError):
    """Nothing that can be sent to answers there."""

    code = "outbound.unavailable"

    def __init__(self, host: str, problem: str) -> None:
        super().__init__(host)
        self.problem = problem
        """One of a few fixed words, for people and for metrics; nothing that the other side said."""
        self.args = (f"{host}: {problem}",)

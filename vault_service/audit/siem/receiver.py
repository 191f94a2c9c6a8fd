"""What every receiver is to the delivery: something that takes events in their order, or says why not."""

from collections.abc import Sequence
from typing import Protocol

from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.domain.errors import UnavailableError, VaultError


class Receiver(Protocol):
    """One receiver; used by one thread only."""

    @property
    def name(self) -> str:
        """As in the settings; the key of its state in the database."""
        ...

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        """Returns when the receiver has them all for good.

        Raises EventsRefusedError when it lives and will not have these; any other VaultError when it is to
        be waited for. Must end within a time of its own.
        """
        ...

    def close(self) -> None:
        """Give files and connections back."""
        ...


class EventsRefusedError(VaultError):
    """The receiver works, and refuses just these events."""

    code = "siem.refused"
    remedy = "See what the receiver logged about them: vaultctl audit receivers names the events."


class ReceiverUnavailableError(UnavailableError):
    """The receiver cannot take events at present."""

    code = "siem.unavailable"

    def __init__(self, problem: str, *, wait_s: int | None = None) -> None:
        super().__init__(problem)
        self.args = (problem,)
        self.wait_s = wait_s
        """How long the receiver asked for, in seconds."""

"""How far both logs are sealed, as the API sees it: a worker that is dead shows nothing itself."""

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import VaultError
from vault_service.domain.logs import LogName
from vault_service.kms.protocol.messages import Health, HealthIs
from vault_service.storage.audit.checkpoints import backlog


@dataclass(frozen=True, slots=True)
class LogFigures:
    """One log."""

    log: LogName
    unsealed: int  # events
    age_s: float  # none of them has waited longer; infinite: nothing was ever sealed


def sealing_figures(parts: AccountParts) -> Iterable[LogFigures]:
    """Of the records log by its database, of the keys log by the key service; of one that is away nothing."""
    with suppress(VaultError), parts.db.connection() as conn:
        found = backlog(conn, limit=200_000)
        yield LogFigures("records", found.unsealed, math.inf if found.age_s is None else found.age_s)
    with suppress(VaultError):
        for log in parts.kms.call(Health(), HealthIs).logs:
            if log.log == "keys":
                yield LogFigures("keys", log.unsealed, log.oldest_unsealed_s)

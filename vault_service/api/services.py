"""The use cases that the routes call; put together by bootstrap."""

from dataclasses import dataclass

from vault_service.accounts.accounts import Accounts
from vault_service.accounts.records_log import RecordsLog
from vault_service.records.store import RecordStore


@dataclass(frozen=True, slots=True)
class Services:
    """All of them."""

    accounts: Accounts
    records: RecordStore
    records_log: RecordsLog

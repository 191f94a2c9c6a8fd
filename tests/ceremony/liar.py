"""Somebody on the way to the real key service, who alters what it answers to a ceremony."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.ceremony.office import Office
from vault_service.bootstrap.connections import kms_client
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.recovery_messages import Peel, Peeled, PeeledWrap
from vault_service.settings import KmsClient as KmsClientSettings

Lie = Callable[["Liar", Request, Any], Any]


class Liar(KmsClient):
    """Alters answers, and keeps what it was asked."""

    def __init__(self, office: Office, lie: Lie) -> None:
        self.honest = kms_client(KmsClientSettings(url=office.vault.socket("ceremony")))
        self.lie = lie
        self.asked: list[Request] = []

    def call(self, request: Request, answer: type[Any]) -> Any:
        self.asked.append(request)
        return self.lie(self, request, self.honest.call(request, answer))

    def peel_other(self, request: Peel, case: UUID) -> PeeledWrap:
        return self.honest.call(Peel(request.ceremony_id, case), Peeled).wraps[0]

    def close(self) -> None:
        self.honest.close()

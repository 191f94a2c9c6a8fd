"""Identifiers: UUIDs that the type checker keeps apart."""

from typing import NewType
from uuid import UUID

import uuid_utils.compat

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
DekId = NewType("DekId", UUID)
CredentialId = NewType("CredentialId", UUID)
UnlockId = NewType("UnlockId", UUID)  # names one successful unlock; stands in both audit trails
AppId = NewType("AppId", UUID)
SessionId = NewType("SessionId", UUID)
RecordId = NewType("RecordId", UUID)
EventId = NewType("EventId", UUID)
OfficerId = NewType("OfficerId", UUID)
CaseId = NewType("CaseId", UUID)
CeremonyId = NewType("CeremonyId", UUID)

NOBODY = UserId(UUID(int=0))
"""Stands for the user in events about a login that nobody has."""


def new_uuid() -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7): ordered by time, so that keyset pages are chronological."""
    return uuid_utils.compat.uuid7()


def made_at_s(made: UUID) -> float:
    """When `new_uuid` made it, by its host's clock: seconds since 1970, to the millisecond."""
    return (made.int >> 80) / 1000

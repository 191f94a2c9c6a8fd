"""The Python SDK: `VaultClient` for an app, `UserSession` for a signed-in user.

It stands alone: nothing else of the service is imported. Answers are frozen dataclasses, errors
mirror the API's codes, lists are iterators, and what is safe to repeat is repeated.
"""

from vault_service.client.answers import (
    Access,
    Fields,
    Me,
    Receipt,
    Receipts,
    Record,
    Seal,
    SignedIn,
    SignedUp,
)
from vault_service.client.batch import Create, Delete, Operation, Read, Result, Update
from vault_service.client.errors import (
    AppKeyRefusedError,
    BrokenRecordsError,
    ConcurrentChangeError,
    IdempotencyConflictError,
    IncompleteExportError,
    IntegrityError,
    InvalidRequestError,
    LoginRefusedError,
    LoginTakenError,
    MustChangePasswordError,
    NotFoundError,
    OutcomeUnknownError,
    Problem,
    SessionRefusedError,
    ThrottledError,
    UnavailableError,
    UnexpectedAnswerError,
    VaultApiError,
    VaultClientError,
    VaultConnectionError,
    VersionMismatchError,
    WeakPasswordError,
)
from vault_service.client.records import Records
from vault_service.client.session import OpenSession, UserSession
from vault_service.client.vault import VaultClient

__all__ = [
    "Access",
    "AppKeyRefusedError",
    "BrokenRecordsError",
    "ConcurrentChangeError",
    "Create",
    "Delete",
    "Fields",
    "IdempotencyConflictError",
    "IncompleteExportError",
    "IntegrityError",
    "InvalidRequestError",
    "LoginRefusedError",
    "LoginTakenError",
    "Me",
    "MustChangePasswordError",
    "NotFoundError",
    "OpenSession",
    "Operation",
    "OutcomeUnknownError",
    "Problem",
    "Read",
    "Receipt",
    "Receipts",
    "Record",
    "Records",
    "Result",
    "Seal",
    "SessionRefusedError",
    "SignedIn",
    "SignedUp",
    "ThrottledError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "Update",
    "UserSession",
    "VaultApiError",
    "VaultClient",
    "VaultClientError",
    "VaultConnectionError",
    "VersionMismatchError",
    "WeakPasswordError",
]

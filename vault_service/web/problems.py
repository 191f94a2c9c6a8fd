"""Errors as problem documents (RFC 9457): the one table from error classes to HTTP status codes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from vault_service.domain import audit_errors as audit
from vault_service.domain import errors as e
from vault_service.domain import recovery_errors as recovery
from vault_service.domain import rotation_errors as rotation
from vault_service.domain import web_errors as web
from vault_service.web.sentences import in_words
from vault_service.web.texts import mark, translated

STATUS: Mapping[type[e.VaultError], HTTPStatus] = {
    e.VaultError: HTTPStatus.INTERNAL_SERVER_ERROR,
    e.InvalidInputError: HTTPStatus.BAD_REQUEST,
    e.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    e.BatchFullError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    e.UnsupportedMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    e.NoSuchRouteError: HTTPStatus.NOT_FOUND,
    e.MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    e.WeakPasswordError: HTTPStatus.UNPROCESSABLE_ENTITY,
    e.AppKeyRefusedError: HTTPStatus.UNAUTHORIZED,
    e.SessionRefusedError: HTTPStatus.UNAUTHORIZED,
    e.LoginRefusedError: HTTPStatus.UNAUTHORIZED,
    e.ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    e.MustChangePasswordError: HTTPStatus.FORBIDDEN,
    e.LoginTakenError: HTTPStatus.CONFLICT,
    e.RecordNotFoundError: HTTPStatus.NOT_FOUND,
    e.NotFoundError: HTTPStatus.NOT_FOUND,
    e.PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    e.IdempotencyConflictError: HTTPStatus.CONFLICT,
    e.ConcurrentChangeError: HTTPStatus.CONFLICT,
    e.IntegrityError: HTTPStatus.CONFLICT,
    e.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    e.ManifestError: HTTPStatus.SERVICE_UNAVAILABLE,  # nothing was done, and it may be put right
    audit.CheckpointRefusedError: HTTPStatus.CONFLICT,
    audit.ReportRefusedError: HTTPStatus.CONFLICT,
    audit.RestoreRefusedError: HTTPStatus.CONFLICT,
    recovery.TooManyCasesError: HTTPStatus.TOO_MANY_REQUESTS,
    recovery.CaseNotFoundError: HTTPStatus.NOT_FOUND,
    recovery.CaseClosedError: HTTPStatus.CONFLICT,
    recovery.CaseRefusedError: HTTPStatus.CONFLICT,
    recovery.CaseDiffersError: HTTPStatus.CONFLICT,
    recovery.ShareMissingError: HTTPStatus.CONFLICT,
    recovery.OfficerRefusedError: HTTPStatus.FORBIDDEN,
    recovery.NotPermittedError: HTTPStatus.FORBIDDEN,
    recovery.ApprovalRefusedError: HTTPStatus.CONFLICT,
    recovery.IdentificationRefusedError: HTTPStatus.FORBIDDEN,
    recovery.QuorumNotMetError: HTTPStatus.CONFLICT,
    recovery.ProposalRefusedError: HTTPStatus.CONFLICT,
    recovery.NotDueError: HTTPStatus.CONFLICT,
    recovery.NoteRefusedError: HTTPStatus.CONFLICT,
    recovery.RecoveryCodeOffError: HTTPStatus.FORBIDDEN,
    rotation.DataKeyChangeRefusedError: HTTPStatus.CONFLICT,
    rotation.NothingToRotateError: HTTPStatus.CONFLICT,
    web.NotSignedInError: HTTPStatus.UNAUTHORIZED,
    web.WrongOriginError: HTTPStatus.FORBIDDEN,
    web.WrongTokenError: HTTPStatus.FORBIDDEN,
    web.ScriptNeededError: HTTPStatus.BAD_REQUEST,
    web.PasskeyRefusedError: HTTPStatus.FORBIDDEN,
    web.IntentGoneError: HTTPStatus.CONFLICT,
    web.InvitationRefusedError: HTTPStatus.NOT_FOUND,
    web.NotSealedYetError: HTTPStatus.CONFLICT,
    # These tell of the operator's side of things: the caller gets the bare 500.
    e.CallerRefusedError: HTTPStatus.INTERNAL_SERVER_ERROR,
    e.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    e.SealBrokenError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""A class that is not listed has the status of its nearest ancestor."""

MEDIA_TYPE = "application/problem+json"
_CHALLENGE = 'Bearer realm="vault_service"'


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every refusal looks like (RFC 9457, section 3.1); `type` leads to its description."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    request_id: str
    reasons: tuple[str, ...] = ()  # why a password is too weak
    index: int | None = None  # which operation of an atomic batch was refused
    parts: dict[str, str] | None = None  # /readyz: each part, "ok" or the code of what is wrong


def status_of(kind: type[e.VaultError]) -> HTTPStatus:
    """The status of an error class."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


def title_of(kind: type[e.VaultError]) -> str:
    """The class's own first sentence, without its full stop."""
    if kind is e.VaultError:
        return "The service failed"  # its docstring is for programmers
    return (kind.__doc__ or kind.code).splitlines()[0].rstrip(".")


def problem_of(error: e.VaultError, request_id: str, **extensions: Any) -> Problem:
    """The document for an error; a 500 tells nothing but the request id."""
    status = status_of(type(error))
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        error = e.VaultError("Something went wrong inside; nothing more is told here.")
    kind = type(error)
    if isinstance(error, e.WeakPasswordError):
        extensions["reasons"] = tuple(error.detail.rpartition(": ")[2].split("; "))
    return Problem(
        f"/docs#{kind.code}", title_of(kind), status, error.detail, error.code, error.remedy, request_id,
        **extensions,
    )  # fmt: skip


def told(error: e.VaultError) -> str:
    """What a refusal says to people: in their language, without the name that a part has for programs."""
    return in_words(error.problem if isinstance(error, e.InvalidInputError) else error.detail)


def remedy_for_people(error: e.VaultError) -> str:
    """What to do about it, in their language: a remedy that speaks of requests is for programs."""
    return translated(_CORRECT if error.remedy == e.InvalidInputError.remedy else error.remedy)


_CORRECT = mark("Correct it, and try again.")


def headers_of(error: e.VaultError) -> dict[str, str]:
    """What the status demands besides the document (RFC 9110, sections 10.2.3 and 11.6.1)."""
    headers: dict[str, str] = {}
    status = status_of(type(error))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _CHALLENGE
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["Retry-After"] = str(max(1, error.retry_after_s or 1))
    return headers

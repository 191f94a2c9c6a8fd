"""Errors: each has a stable code, a detail without secrets, and what to do about it.

HTTP status codes stand in one table of the API and nowhere else. An error crosses from the key
service to its callers by its code, so every class here and in audit_errors.py is found by `by_code`.
"""

from typing import ClassVar


class VaultError(Exception):
    """Base of all errors of this project."""

    code: ClassVar[str] = "vault.error"
    remedy: ClassVar[str] = "Look at the service's log for the request id."
    index: int | None = None  # which operation of an atomic batch was refused

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(detail or (type(self).__doc__ or self.code).splitlines()[0])
        self.retry_after_s = retry_after_s

    @property
    def detail(self) -> str:
        """One sentence for the caller; never a secret, never a field's value."""
        return str(self)


# --- what the caller sent


class InvalidInputError(VaultError):
    """The request holds something that cannot be accepted."""

    code = "request.invalid"
    remedy = "Correct the named part of the request and send it again."

    def __init__(self, part: str, problem: str = "") -> None:
        super().__init__(f"{part}: {problem}" if problem else part)
        self.part = part
        self.problem = problem or part  # a sentence of its own, where people read it


class MalformedJsonError(InvalidInputError):
    """The body is not the JSON that is expected."""

    code = "request.malformed_json"
    remedy = "Send one JSON object in UTF-8, without duplicate keys, NaN or lone surrogates."


class BodyTooLargeError(VaultError):
    """The body is larger than this route accepts."""

    code = "request.too_large"
    remedy = "Send less at once; the limits stand in the API's documentation."


class BatchFullError(VaultError):
    """The operations before this one read or change as much stored data as one batch may."""

    code = "request.batch_full"
    remedy = "Send this operation, which did nothing, in another batch."


class UnsupportedMediaTypeError(VaultError):
    """The body's media type is not accepted."""

    code = "request.media_type"
    remedy = "Send Content-Type: application/json, not compressed."


class NoSuchRouteError(VaultError):
    """There is nothing at this address."""

    code = "request.no_such_route"
    remedy = "See /docs for the routes of this version."


class MethodNotAllowedError(VaultError):
    """This address does not know that method."""

    code = "request.method"
    remedy = "See the Allow header."


class WeakPasswordError(VaultError):
    """The password is too easy to guess."""

    code = "password.weak"
    remedy = "Choose a longer one: four or more unrelated words do well."


# --- who is asking


class AppKeyRefusedError(VaultError):
    """The app key is missing, wrong or revoked."""

    code = "app.refused"
    remedy = "Send Authorization: Bearer vsa_… with a current key (vaultctl app list)."


class SessionRefusedError(VaultError):
    """The session token is missing, wrong, expired or ended."""

    code = "session.refused"
    remedy = "Sign in again."


class LoginRefusedError(VaultError):
    """The login and the password do not open anything."""

    code = "login.refused"
    remedy = "Check login and password; a forgotten password can be recovered."


class ThrottledError(VaultError):
    """Too many attempts in a short time."""

    code = "login.throttled"
    remedy = "Wait as long as Retry-After says, then try again."


class AppKeysThrottledError(ThrottledError):
    """So many app keys are refused at present that not each is recorded; this one was refused as well."""

    code = "app.throttled"
    remedy = "Send a current app key (vaultctl app list): no call that has one is ever refused for this."


class MustChangePasswordError(VaultError):
    """A one-time password may add records but read nothing."""

    code = "password.must_change"
    remedy = "Choose a password first (PUT /v1/me/password), then sign in with it."


class CallerRefusedError(VaultError):
    """This caller of the key service may not make that call."""

    code = "kms.caller_refused"
    remedy = "Use the socket or certificate of the process that the call belongs to."


# --- what stands in the way


class LoginTakenError(VaultError):
    """Somebody has this login already."""

    code = "user.login_taken"
    remedy = "Choose another login, or sign in."


class RecordNotFoundError(VaultError):
    """There is no such record."""

    code = "record.not_found"
    remedy = "List the records (GET /v1/records) and take an id from there."


class NotFoundError(VaultError):
    """There is no such thing of yours."""

    code = "resource.not_found"
    remedy = "List them and take an id from there."


class PreconditionFailedError(VaultError):
    """The record has changed since that version."""

    code = "record.version_mismatch"
    remedy = "Read it again, apply your change to what you find, and send the new ETag."


class IdempotencyConflictError(VaultError):
    """This Idempotency-Key was used with another body."""

    code = "idempotency.conflict"
    remedy = "Use a new key for a new request; repeat the same body for a retry."


class ConcurrentChangeError(VaultError):
    """Another request changed the same thing at the same time."""

    code = "request.concurrent_change"
    remedy = "Look at the state as it is now and decide again."


class IntegrityError(VaultError):
    """Stored data was altered or moved and does not open."""

    code = "integrity"
    remedy = "Tell the operator: the event is in the audit log; other records are served."


# --- what does not work at present


class UnavailableError(VaultError):
    """A part of the service cannot be used at present."""

    code = "service.unavailable"
    remedy = "Try again after Retry-After; nothing was changed."

    def __init__(self, part: str = "", *, retry_after_s: int | None = 2) -> None:
        super().__init__(
            f"{part} cannot be used at present" if part else "", retry_after_s=retry_after_s or 2
        )


class TokenUnavailableError(UnavailableError):
    """The PKCS#11 token cannot be used."""

    code = "service.token_unavailable"


class TokenPinRefusedError(TokenUnavailableError):
    """The online token does not take its PIN; it is not tried again, since real tokens lock."""

    code = "service.token_pin_refused"
    remedy = "Tell the operator: correct the PIN file, then restart the key service."


class TokenHangsError(TokenUnavailableError):
    """A call into the token's module does not come back."""

    code = "service.token_hangs"
    remedy = "Tell the operator: look at the token's connection, then restart the key service."


class TokenKeyError(TokenUnavailableError):
    """A key in the token is missing, there twice, or not of the kind that it should be."""

    code = "service.token_key"
    remedy = "Tell the operator: compare the token's keys with the manifest; delete none."


class WrongTokenError(TokenUnavailableError):
    """A key in the token is not the one that the manifest names."""

    code = "service.wrong_token"
    remedy = "Tell the operator: plug in the token that belongs to this vault, or restore its backup."


class DatabaseUnavailableError(UnavailableError):
    """A database cannot be used."""

    code = "service.database_unavailable"


class SchemaOutdatedError(DatabaseUnavailableError):
    """A database's schema lacks what this version needs."""

    code = "service.schema_outdated"
    remedy = "Tell the operator: run vaultctl migrate; then it goes on by itself."

    def __init__(self, side: str, *, applied: int | None, needed: int) -> None:
        super().__init__()
        there = (
            "has no readable list of migrations" if applied is None else f"ends at migration {applied:04d}"
        )
        self.args = (f"the {side} database {there}, and this version needs {needed:04d}",)


class SchemaNewerError(DatabaseUnavailableError):
    """A database's schema has given up what this version needs."""

    code = "service.schema_newer"
    remedy = "Tell the operator: this process is too old; start the version that the schema was migrated by."

    def __init__(self, side: str, *, applied: int, known: int) -> None:
        super().__init__()
        self.args = (
            f"the {side} database is at migration {applied:04d}, and this version ends at {known:04d}",
        )


class KmsUnavailableError(UnavailableError):
    """The key service does not answer."""

    code = "service.kms_unavailable"


class OverloadedError(UnavailableError):
    """All memory that is set aside for password hashing is in use."""

    code = "service.overloaded"


class OutcomeUnknownError(UnavailableError):
    """The connection broke while a change was under way."""

    code = "service.outcome_unknown"
    remedy = "Look whether it took effect (for a password: sign in with the new one) before you repeat it."

    def __init__(self, part: str = "", *, retry_after_s: int | None = 2) -> None:
        super().__init__(part, retry_after_s=retry_after_s)
        self.args = (f"{part} does not answer; whether the change was made shows within a minute or so",)


# --- what an operator did


class ConfigurationError(VaultError):
    """The configuration cannot be used."""

    code = "config.invalid"
    remedy = "Run vaultctl doctor."

    def __init__(self, detail: str, *, remedy: str | None = None) -> None:
        super().__init__(detail)
        if remedy is not None:
            self.remedy = remedy  # type: ignore[misc]  # narrower than the class's: it knows the case


class ManifestError(ConfigurationError):
    """The key manifest is not what was signed, pinned or last seen."""

    code = "manifest.refused"
    remedy = "Restore the manifest chain; do not sign a new one before you know who changed it."


class PolicyBelowFloorError(ManifestError):
    """A policy is weaker than the officers allow."""

    code = "manifest.policy_below_floor"
    remedy = "Raise the named rules, or have a quorum of officers sign a manifest with other floors."


class SealBrokenError(VaultError):
    """A sealed blob does not open: another key, another place, or altered. Never says which."""

    code = "seal.broken"
    remedy = "Treat it as tampering; see docs/operations.md."


def _all_classes(root: type[VaultError]) -> list[type[VaultError]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_classes(child))]


def by_code(code: str) -> type[VaultError]:
    """The class that has this code; VaultError itself for a code of a newer version."""
    return next((cls for cls in _all_classes(VaultError) if cls.code == code), VaultError)


def rebuild(code: str, detail: str, retry_after_s: int | None) -> VaultError:
    """An error as the other process raised it."""
    error = by_code(code).__new__(by_code(code))
    Exception.__init__(error, detail)
    error.retry_after_s = retry_after_s
    return error

"""What can go wrong in a call: one class for each code that a program acts on.

The codes are the API's; its documentation (/docs) describes each. A code that has no class here, for
example one of a newer server, arrives as its nearest family, in the end as `VaultApiError`.
"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


class VaultClientError(Exception):
    """Base of all errors of this package."""


class VaultConnectionError(VaultClientError):
    """The vault could not be reached, or the connection broke.

    `may_have_happened` says whether the request might have reached the vault: then look at the state
    before you repeat it.
    """

    def __init__(self, problem: str, *, may_have_happened: bool) -> None:
        outcome = "whether it took effect is not known" if may_have_happened else "nothing was done"
        super().__init__(f"{problem}; {outcome}")
        self.problem = problem
        self.may_have_happened = may_have_happened


class IncompleteExportError(VaultClientError):
    """An export ended before its last line; what came is not everything."""

    def __init__(self, received: int, why: str) -> None:
        super().__init__(f"the export is not whole: {why} after {received} records")
        self.received = received


class BrokenRecordsError(VaultClientError):
    """Some records were altered or moved in the database and do not open; all others came before this."""

    def __init__(self, record_ids: tuple[UUID, ...]) -> None:
        super().__init__(f"{len(record_ids)} records do not open; tell the vault's operator")
        self.record_ids = record_ids


class UnexpectedAnswerError(VaultClientError):
    """Something answered that does not speak this API."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as the API tells it (RFC 9457)."""

    code: str
    status: int
    detail: str = ""
    remedy: str = ""
    request_id: str | None = None
    retry_after_s: float | None = None
    reasons: tuple[str, ...] = ()  # why a password is too weak
    index: int | None = None  # which operation of an atomic batch was refused


class VaultApiError(VaultClientError):
    """The vault refused. `code` is stable; `detail` and `remedy` are for people and hold no values."""

    codes: ClassVar[tuple[str, ...]] = ()  # a code, or the beginning of one that ends in a dot

    def __init__(self, problem: Problem) -> None:
        said = " ".join(each.rstrip(".") + "." for each in (problem.detail, problem.remedy) if each)
        super().__init__(f"{problem.code}: {said}" if said else problem.code)
        self.problem = problem
        self.code = problem.code
        self.detail = problem.detail
        self.remedy = problem.remedy
        self.status = problem.status
        self.request_id = problem.request_id
        self.retry_after_s = problem.retry_after_s


class InvalidRequestError(VaultApiError):
    """The request cannot be accepted as it is."""

    codes = ("request.",)


class BatchFullError(InvalidRequestError):
    """The operations before this one read or changed as much as one batch may: put it into another."""

    codes = ("request.batch_full",)


class ConcurrentChangeError(VaultApiError):
    """Another request changed the same thing at the same time."""

    codes = ("request.concurrent_change",)


class AppKeyRefusedError(VaultApiError):
    """The app key is missing, wrong or revoked."""

    codes = ("app.refused",)


class SessionRefusedError(VaultApiError):
    """The session is wrong, expired or ended: sign in again."""

    codes = ("session.refused",)


class LoginRefusedError(VaultApiError):
    """Login and password do not open anything."""

    codes = ("login.refused",)


class ThrottledError(VaultApiError):
    """Too many attempts in a short time; `retry_after_s` says how long to wait."""

    codes: ClassVar[tuple[str, ...]] = ("login.throttled", "app.throttled")


class TooManyRecoveriesError(ThrottledError):
    """Too many recoveries were asked for; one that is open already can still be approved."""

    codes = ("recovery.too_many",)


class RecoveryClosedError(VaultApiError):
    """The recovery is decided, cancelled or expired already."""

    codes = ("recovery.case_closed",)


class RecoveryCodesOffError(VaultApiError):
    """This vault gives out no recovery codes."""

    codes = ("recovery.codes_off",)


class MustChangePasswordError(VaultApiError):
    """Signed in with a one-time password, which may add records and read nothing."""

    codes = ("password.must_change",)


class WeakPasswordError(VaultApiError):
    """The password is too easy to guess; `reasons` can be shown to the person."""

    codes = ("password.weak",)

    @property
    def reasons(self) -> tuple[str, ...]:
        """In plain words, without anything of the password."""
        return self.problem.reasons


class LoginTakenError(VaultApiError):
    """Somebody has this login already."""

    codes = ("user.login_taken",)


class NotFoundError(VaultApiError):
    """There is no such thing of this user's."""

    codes = ("resource.not_found", "record.not_found", "recovery.no_such_case")


class VersionMismatchError(VaultApiError):
    """The record has changed since the version that the change was meant for."""

    codes = ("record.version_mismatch",)


class IdempotencyConflictError(VaultApiError):
    """This Idempotency-Key was used for another request."""

    codes = ("idempotency.conflict",)


class IntegrityError(VaultApiError):
    """The stored record was altered or moved and does not open."""

    codes = ("integrity",)


class DataKeyGoneError(IntegrityError):
    """The record is under a data key that was given up: the vault's databases are of different times."""

    codes = ("rotation.data_key_gone",)


class DataKeyChangeRefusedError(VaultApiError):
    """The data key may not be changed now: sign in again, and finish the change before."""

    codes = ("rotation.data_key_refused",)


class UnavailableError(VaultApiError):
    """The vault, or a part of it, cannot be used at present; nothing was done."""

    codes: ClassVar[tuple[str, ...]] = ("service.", "rotation.manifest_behind")


class OutcomeUnknownError(UnavailableError):
    """A part of the vault broke off while a change was under way; look before you repeat it."""

    codes = ("service.outcome_unknown",)


def _family(root: type[VaultApiError]) -> list[type[VaultApiError]]:
    return [root, *(found for child in root.__subclasses__() for found in _family(child))]


def error_of(problem: Problem) -> VaultApiError:
    """The error for a problem: of the class with the longest code that fits."""
    fits = [
        (len(code), kind)
        for kind in _family(VaultApiError)
        for code in kind.codes
        if problem.code == code or (code.endswith(".") and problem.code.startswith(code))
    ]
    kind = max(fits, key=lambda fit: fit[0])[1] if fits else VaultApiError
    return kind(problem)

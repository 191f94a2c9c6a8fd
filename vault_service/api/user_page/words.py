"""What people are told: refusals of the use cases in the words of this page, and what was done."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from vault_service.accounts.password_advice import reasons_of
from vault_service.api.user_page.fields import LABELS
from vault_service.domain import errors as e
from vault_service.domain import recovery_errors as recovery
from vault_service.domain import rotation_errors as rotation
from vault_service.domain import web_errors as web
from vault_service.web.problems import status_of
from vault_service.web.texts import mark, say, translated
from vault_service.web.view import Shown

Said = Literal[
    "signed-up", "signed-out", "password-changed", "login-changed", "key-changed", "kept", "deleted",
    "session-ended", "cancelled", "code-used", "erased", "none",
]  # fmt: skip
SAID: Mapping[Said, str] = {
    "signed-up": mark("Your vault is ready. Sign in with the password that you have chosen."),
    "signed-out": mark("You are signed out."),
    "password-changed": mark("Your password is changed, and every session has ended. Sign in with it."),
    "login-changed": mark("Your login is changed."),
    "key-changed": mark("Your data has a new key, and every session has ended. Sign in again."),
    "kept": mark("It is saved."),
    "deleted": mark("The entry is deleted."),
    "session-ended": mark("That session has ended."),
    "cancelled": mark("The recovery is cancelled."),
    "code-used": mark("Your password is set and the code used up. Sign in with the new password."),
    "erased": mark("Your vault is erased. Nobody can recover it."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was not accepted."""

    text: str
    field: str | None = None  # the name of the field that it is about
    reasons: tuple[str, ...] = ()  # in the reader's language
    wait_s: int | None = None  # when to try again


_WORDS: Mapping[type[e.VaultError], tuple[str, str | None]] = {
    e.LoginRefusedError: (mark("This login and this password do not open anything."), "password"),
    e.ThrottledError: (mark("There were too many attempts in a short time."), None),
    e.WeakPasswordError: (mark("This password will not do"), "new_password"),
    e.LoginTakenError: (mark("Somebody has this login already. Choose another one."), "login"),
    e.ConcurrentChangeError: (
        mark("Something else changed the same thing at this moment. Try again."), None,
    ),
    e.OutcomeUnknownError: (
        mark("The connection broke meanwhile. Look in a minute whether it took effect."), None,
    ),
    e.UnavailableError: (mark("A part of the service cannot be used at present. Nothing was changed."), None),
    e.IdempotencyConflictError: (mark("This form was sent before with other contents. Begin again."), None),
    e.BodyTooLargeError: (mark("This is too long. An entry may hold about 64,000 characters."), None),
    recovery.TooManyCasesError: (mark("There were too many recoveries for this login. Try later."), None),
    recovery.RecoveryCodeOffError: (mark("This vault gives out no recovery codes."), None),
    rotation.DataKeyChangeRefusedError: (
        mark("The key was changed a short while ago, and that change is not finished."), None,
    ),
}  # fmt: skip


_NO_FIELDS: Mapping[str, str] = {}
_RECORD_CHANGED = mark("This entry has changed since you opened it. Nothing was saved yet.")


def problem_of(error: e.VaultError, fields: Mapping[str, str]) -> Problem:
    """The refusal in this page's words; whatever has none is raised again.

    `fields`: what a form calls a field, where it is not the usual name.
    """
    if isinstance(error, e.PreconditionFailedError):
        return Problem(_RECORD_CHANGED)
    if isinstance(error, e.InvalidInputError):
        return Problem(mark("This cannot be saved as it is."), reasons=(translated(error.problem),))
    for kind in type(error).__mro__:
        if kind in _WORDS:
            text, field = _WORDS[kind]
            reasons = in_words(reasons_of(error)) if isinstance(error, e.WeakPasswordError) else ()
            return Problem(text, fields.get(field, field) if field else None, reasons, error.retry_after_s)
    raise error


def in_words(reasons: Iterable[str]) -> tuple[str, ...]:
    """Why a password is weak, in the reader's language; the catalogue has %(n)s where a number stands."""
    return tuple(_with_number(each) for each in reasons)


def _with_number(reason: str) -> str:
    number = re.search(r"\d+", reason)
    return say(reason.replace(number[0], "%(n)s"), n=number[0]) if number else translated(reason)


def remarks(warnings: Iterable[str]) -> list[tuple[str, str]]:
    """What is doubtful about an entry (records/contact.py): the field's name here, and the doubt."""
    return [
        (translated(LABELS.get(field, field)), translated(doubt))
        for field, _, doubt in (each.partition(": ") for each in warnings)
    ]


def refused(
    template: str, error: e.VaultError, values: Mapping[str, Any], fields: Mapping[str, str] = _NO_FIELDS
) -> Shown:
    """The form again, with what was typed (never passwords) and what is wrong."""
    return Shown(template, {**values, "problem": problem_of(error, fields)}, status_of(type(error)))


_REMEDIES: Mapping[type[e.VaultError], str] = {
    web.NotSignedInError: mark("Sign in, and do it once more: it was not done."),
    e.NoSuchRouteError: mark("Look at the address once more, or begin at the first page."),
    e.RecordNotFoundError: mark("It may have been deleted meanwhile. Look at your entries."),
    e.IntegrityError: mark("Tell the people who run this vault. Your other entries are not concerned."),
    e.InvalidInputError: mark("Go back, and try it with other words."),
    e.UnavailableError: mark("Try again in a moment. Nothing was changed."),
    recovery.CaseNotFoundError: mark(
        "Look at the number once more: it was shown together with the six words."
    ),
    recovery.CaseClosedError: mark("It has been decided already."),
    recovery.NotPermittedError: mark("Only whoever a recovery is for can cancel it here."),
}


def remedy_of(error: e.VaultError) -> str:
    """What to do about a refusal, for whoever is no app's maker."""
    return next((_REMEDIES[kind] for kind in type(error).__mro__ if kind in _REMEDIES), error.remedy)


def mistyped(template: str, values: Mapping[str, Any]) -> Shown:
    """The form again: a new password that was typed in two ways would open nothing for anybody."""
    problem = Problem(
        mark("You typed two different passwords. Type the one that you want twice."), "new_password"
    )
    return Shown(template, {**values, "problem": problem}, HTTPStatus.BAD_REQUEST)


def not_ticked(template: str, values: Mapping[str, Any], field: str) -> Shown:
    """The form again: a box that says that somebody means it is empty."""
    problem = Problem(mark("Tick this box to go on."), field)
    return Shown(template, {**values, "problem": problem}, HTTPStatus.BAD_REQUEST)

"""Errors of the officers' console and of the user's page; see errors.py for what each of them has."""

from vault_service.domain.errors import VaultError


class NotSignedInError(VaultError):
    """Nobody is signed in, or not any more."""

    code = "web.not_signed_in"
    remedy = "Sign in; a session ends when it has been idle for a while."


class FailedInsideError(VaultError):
    """Something went wrong in the service; it is none of your doing."""

    code = "web.failed"  # as the log calls it
    remedy = "Try it again in a moment. If it stays so, tell the operator this word, and when it was."


class WrongOriginError(VaultError):
    """A form that another site's page has sent."""

    code = "web.wrong_origin"
    remedy = "Open the page at its own address and do it there."


class WrongTokenError(VaultError):
    """A form of another session, or of none."""

    code = "web.wrong_token"
    remedy = "Load the page again and repeat what you did; the form was from before you signed in."


class ScriptNeededError(VaultError):
    """A form that a script of its page should have sent, and the browser sent by itself."""

    code = "web.script_needed"
    remedy = "Switch JavaScript on for this site, load the page again and repeat it: a passkey needs it."


class PasskeyRefusedError(VaultError):
    """A passkey's answer that does not count."""

    code = "console.passkey_refused"
    remedy = "Try again with the passkey that you enrolled; if it is refused again, tell the operator."


class PasskeyCounterError(PasskeyRefusedError):
    """It counts its signatures, and counted back."""

    code = "console.passkey_counter"
    remedy = "Your passkey may have been copied. Use it no more, and have another officer re-key you."


class IntentGoneError(VaultError):
    """What was to be signed is not waiting any more."""

    code = "console.intent_gone"
    remedy = "Load the page again and repeat it: two minutes were over, or it was done already."


class InvitationRefusedError(VaultError):
    """No such invitation, or it was used or has expired."""

    code = "console.invitation_refused"
    remedy = "Ask the officer who invited you for a new one."


class NotSealedYetError(VaultError):
    """The event is too young to stand in the sealed log."""

    code = "audit.not_sealed_yet"
    remedy = "Try again in a minute; if it stays, the worker that seals this log is not running."

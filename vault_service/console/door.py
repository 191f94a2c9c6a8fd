"""Who comes with a cookie of the console: a session that lives, of somebody who is an officer still."""

import dataclasses
from dataclasses import dataclass

from flask import request

from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.web_errors import NotSignedInError
from vault_service.recovery.looking import may_look

COOKIE = "officer"


@dataclass(frozen=True, slots=True)
class OfficersDoor:
    """The newest manifest is asked at every visit: whoever it names no more sees not one page more."""

    services: Services
    cookie: str = f"__Host-{COOKIE}"

    def who(self, value: str) -> Session | None:
        """Raises ManifestError, DatabaseUnavailableError: then nobody is let in."""
        session = self.services.sessions.who(value, awake=_somebody_does_something())
        if session is None:
            return None
        try:
            acting = self.services.officer(session)
        except NotSignedInError:
            return None
        audits = may_look(self.services.recovery, acting, "audit")
        return dataclasses.replace(session, name=acting.name, may_audit=audits)


def _somebody_does_something() -> bool:
    """Not where a script asks again and again: a page left open must not keep its officer signed in.

    Sec-Fetch-Mode says which it is (Fetch Metadata Request Headers, section 2.2); no script can set it.
    """
    return request.method == "POST" or request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"

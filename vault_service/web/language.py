"""The choice of a language: kept in a cookie of the browser, for whoever is signed in or not."""

from typing import Any

from vault_service.domain.errors import InvalidInputError
from vault_service.web.safety import kept_cookie
from vault_service.web.texts import language_of
from vault_service.web.view import GoTo, S, Taken, View, Visit, W

_NAME = "language"
COOKIE = f"__Host-{_NAME}"
_YEAR_S = 365 * 86_400
_MAX_BODY = 4096


class Chosen(Taken, frozen=True):
    """`back`: the page that the choice was made on."""

    language: str
    back: str = "/"


def choose(prefix: str) -> View[S, W]:
    """The address that every site has."""

    def keep(visit: Visit[Any, Any, Chosen]) -> GoTo:
        if language_of(visit.asked.language) is None:
            raise InvalidInputError("language", "not one of this site's")
        cookie = kept_cookie(_NAME, visit.asked.language, _YEAR_S)
        try:
            return GoTo(visit.asked.back, (cookie,))
        except ValueError:
            return GoTo(f"{prefix}/", (cookie,))

    return View("POST", f"{prefix}/language", keep, Chosen, open_to_all=True, max_body=_MAX_BODY)

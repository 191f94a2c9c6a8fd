"""The pages of /me together, as a part of the API's application."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import Flask

from vault_service.api.user_page import accesses, account, credentials, entering, entries, recovery
from vault_service.api.user_page.account import left_s
from vault_service.api.user_page.services import PREFIX, Cookies, PageServices, Visitor
from vault_service.api.user_page.words import remedy_of
from vault_service.domain.errors import MustChangePasswordError, NoSuchRouteError, SessionRefusedError
from vault_service.domain.web_errors import NotSignedInError
from vault_service.web.site import Site, add_to
from vault_service.web.static_files import StaticFiles
from vault_service.web.stay import stay
from vault_service.web.templates import make_templates
from vault_service.web.texts import mark
from vault_service.web.view import GoTo, Nothing, Reply, View, Visit

UserView = View[PageServices, Visitor]


def nothing_here(visit: Visit[PageServices, Visitor | None, Nothing]) -> Reply:
    """For people a page, where the API has a document for apps."""
    raise NoSuchRouteError


VIEWS: tuple[UserView, ...] = (
    *entering.VIEWS, *entries.VIEWS, *accesses.VIEWS, *account.VIEWS, *credentials.VIEWS, *recovery.VIEWS,
    stay(PREFIX, left_s),
    View("GET", f"{PREFIX}/{{anything}}", nothing_here, open_to_all=True),
)  # fmt: skip
_VALUES = {"site_name": "vault_service", "site_line": mark("My data"), "remedy_of": remedy_of}


def add_user_page(app: Flask, services: PageServices, admit: Callable[[], None] = lambda: None) -> None:
    """Serve it. `admit`: raises what keeps everybody out, as for the API's routes."""
    here = "vault_service.api.user_page"
    static = StaticFiles.of("vault_service.web", here)
    add_to(
        app,
        Site(
            name="me",
            origin=services.page.origin,
            services=services,
            views=tuple(_guarded(each, admit) for each in VIEWS),
            door=Cookies(),
            templates=make_templates(static, PREFIX, here),
            sign_in=f"{PREFIX}/sign-in",
            static=static,
            prefix=PREFIX,
            frame="me/page.html",
            values=lambda who: _values(services, who),
        ),
    )


def _values(services: PageServices, who: Visitor | None) -> Mapping[str, Any]:
    return _VALUES if who is None else {**_VALUES, "session_left_s": services.may_last_s(who)}


def _guarded(view: UserView, admit: Callable[[], None]) -> UserView:
    def handler(visit: Visit[PageServices, Any, Any]) -> Reply:  # None only where open to all
        admit()
        try:
            return view.handler(visit)
        except SessionRefusedError:
            raise NotSignedInError from None
        except MustChangePasswordError:
            return GoTo(f"{PREFIX}/password")

    return replace(view, handler=handler)

"""The console's pages together."""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from vault_service.console import enrol, invite, sign_in
from vault_service.console.audit import AUDIT
from vault_service.console.cases import CASES
from vault_service.console.door import OfficersDoor
from vault_service.console.overview import OVERVIEW
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.web.site import Site, create_site
from vault_service.web.static_files import StaticFiles
from vault_service.web.stay import stay
from vault_service.web.templates import make_templates
from vault_service.web.texts import mark
from vault_service.web.view import View

_STAY: View[Services, Session] = stay("", lambda services, who: services.sessions.left_s(who))
VIEWS: tuple[View[Services, Session], ...] = (
    *sign_in.VIEWS,
    _STAY,
    *enrol.VIEWS,
    *invite.VIEWS,
    *OVERVIEW,
    *CASES,
    *AUDIT,
)


def create_app(services: Services) -> Flask:
    """The console as a WSGI application."""
    static = StaticFiles.of("vault_service.web", "vault_service.console")
    templates = make_templates(static, "", "vault_service.console")
    site = Site(
        name="console",
        origin=services.origin,
        services=services,
        views=VIEWS,
        door=OfficersDoor(services),
        templates=templates,
        sign_in=sign_in.PATH,
        static=static,
        frame="console.html",
        values=lambda who: _values(services, who),
    )
    return create_site(site)


def _values(services: Services, who: Session | None) -> Mapping[str, Any]:
    named = {"site_name": "vault_service", "site_line": mark("Officers' console")}
    return named if who is None else {**named, "session_left_s": services.sessions.left_s(who)}

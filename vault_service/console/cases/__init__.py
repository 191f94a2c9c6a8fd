"""Cases in the console: their pages, and what officers do with them."""

from vault_service.console.cases import change, decide, find, listing, opening, page
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.web.view import View

CASES: tuple[View[Services, Session], ...] = (
    *listing.VIEWS, *opening.VIEWS, *change.VIEWS, *find.VIEWS, *page.VIEWS, *decide.VIEWS,
)  # fmt: skip

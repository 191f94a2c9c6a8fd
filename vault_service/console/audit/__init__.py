"""The audit explorer: find events of both logs, look at one, prove it, take an export along."""

from vault_service.console.audit import download, event, find
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.web.view import View

AUDIT: tuple[View[Services, Session], ...] = (*find.VIEWS, *event.VIEWS, *download.VIEWS)

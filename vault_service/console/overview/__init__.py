"""Pages that tell how things stand: work, officers, drills and rotations, alerts, activity, health."""

from vault_service.console.overview import activity, alerts, health, live, officers, rotations, work
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.web.view import View

OVERVIEW: tuple[View[Services, Session], ...] = (
    View("GET", "/", work.show),
    View("GET", "/officers", officers.show),
    View("GET", "/rotations", rotations.show),
    View("GET", "/live", live.show),
    View("GET", "/alerts", alerts.show),
    View("GET", "/activity", activity.show, activity.Stretch),
    View("GET", "/health", health.show),
)

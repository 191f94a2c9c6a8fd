"""Every route of version 1, in the order in which they are documented."""

from vault_service.api import batch, health, me, records, recoveries, sessions, users
from vault_service.api.route import AnyRoute

ROUTES: tuple[AnyRoute, ...] = (
    *users.ROUTES,
    *sessions.ROUTES,
    *me.ROUTES,
    *recoveries.ROUTES,
    *records.ROUTES,
    *batch.ROUTES,
    *health.ROUTES,
)

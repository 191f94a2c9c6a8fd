"""Every route of version 1, in the order in which they are documented."""

from vault_service.api import batch, data_key, health, me, records, recoveries, sessions, users
from vault_service.api.route import AnyRoute

ROUTES: tuple[AnyRoute, ...] = (
    *users.ROUTES,
    *sessions.ROUTES,
    *me.ROUTES,
    *data_key.ROUTES,
    *recoveries.ROUTES,
    *records.ROUTES,
    *batch.ROUTES,
    *health.ROUTES,
)

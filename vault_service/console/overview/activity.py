"""Plots, where people would rather look than read.

Cases are every officer's to see. What stands in the logs about users and apps, even as numbers, is for those
who may look into them.
"""

from datetime import timedelta
from typing import Annotated

from markupsafe import Markup
from msgspec import Meta

from vault_service.console.overview import plots
from vault_service.console.overview.at_a_glance import looking
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.logs import LogName
from vault_service.recovery.activity import BULK, Counts, cases_opened
from vault_service.recovery.looking import may_look
from vault_service.storage.pool import Database
from vault_service.web.view import Reply, Shown, Taken, Visit

STRETCHES = (2, 7, 30, 90)
_MOST_APPS = 10


class Stretch(Taken, frozen=True):
    """How many days, today's among them."""

    days: Annotated[int, Meta(ge=1, le=90)] = 7


def show(visit: Visit[Services, Session, Stretch]) -> Reply:
    """What cannot be seen from here is said, not left out."""
    services, days = visit.services, visit.asked.days
    acting = looking(visit)
    audits = may_look(services.recovery, acting, "audit")
    now = services.recovery.now()
    opened, apps = cases_opened(services.recovery, days)
    found: dict[LogName, Counts] = {}
    drawn: list[Markup] = [plots.cases(opened, days, now)]
    missing = 0
    sides: tuple[tuple[LogName, Database | None], ...] = (
        ("keys", services.audit_keys), ("records", services.audit_records),
    )  # fmt: skip
    for log, db in sides:
        if db is not None and audits:
            counts = services.activity.counts(db, log, days, now)
            found[log] = counts
            missing = max(missing, len(counts.uncounted))
            drawn.append(plots.sign_ins(counts, days) if log == "keys" else plots.bulk_reads(counts, days))
    readers: list[tuple[str, int]] = []
    if "records" in found:
        day_ago = now - timedelta(days=1)
        by_app: dict[str, int] = {}
        for each in found["records"].buckets:
            if each.kind in {int(kind) for kind in BULK} and each.hour >= day_ago:
                name = apps.get(each.app, str(each.app)) if each.app else "-"
                by_app[name] = by_app.get(name, 0) + each.n
        readers = sorted(by_app.items(), key=lambda pair: -pair[1])[:_MOST_APPS]
    return Shown(
        "overview/activity.html",
        {
            "plots": drawn, "days": days, "stretches": STRETCHES, "missing": missing,
            "unseen": [log for log, db in sides if db is None and audits], "readers": readers,
            "audits": audits,
        },
    )  # fmt: skip

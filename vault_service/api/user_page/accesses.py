"""Who touched my data, with proofs; and everything of mine to take along."""

from collections.abc import Mapping

from vault_service.api.export import exported
from vault_service.api.me import Cursor
from vault_service.api.user_page.services import PREFIX, PageServices, Visitor
from vault_service.web.texts import mark
from vault_service.web.view import Download, Nothing, Reply, Shown, Taken, View, Visit

_PAGE = 25  # accesses
WHAT: Mapping[str, str] = {
    "user_activated": mark("The vault was made"),
    "session_opened": mark("Signed in"),
    "session_ended": mark("Signed out"),
    "sessions_ended": mark("Signed out everywhere"),
    "session_refused": mark("A sign-in with a password that is not valid any more was refused"),
    "record_created": mark("An entry was added"),
    "record_read": mark("An entry was read"),
    "record_read_missing": mark("Somebody looked for an entry that there is not"),
    "record_updated": mark("An entry was changed"),
    "record_deleted": mark("An entry was deleted"),
    "records_listed": mark("Entries were listed"),
    "records_searched": mark("Entries were searched"),
    "records_exported": mark("Entries were downloaded"),
    "record_integrity_failed": mark("An entry did not open: it was altered in the database"),
    "accesses_read": mark("This list was looked at"),
    "password_changed": mark("The password was changed"),
    "login_changed": mark("The login was changed"),
    "user_erased": mark("The vault was erased"),
    "intent_repaired": mark("The service finished a change that had been interrupted"),
    "one_time_password_reissued": mark("A new one-time password was given out"),
    "access_regained": mark("Officers carried out a recovery: a new password opens the data"),
    "data_disclosed": mark("Officers disclosed parts of the data to somebody else"),
    "officer_looked_up": mark("An officer asked whose vault a login is"),
    "erased_by_officers": mark("Officers erased the vault"),
    "log_restored": mark("The log goes on from a restored backup"),
    "data_key_changed": mark("The key of the data was changed"),
    "records_reencrypted": mark("Entries were encrypted under the new key"),
}
BY_OFFICERS = frozenset({"access_regained", "data_disclosed", "officer_looked_up", "erased_by_officers"})


class Which(Taken, frozen=True):
    """Which page."""

    cursor: Cursor | None = None


def show_accesses(visit: Visit[PageServices, Visitor, Which]) -> Reply:
    """One page, newest first; looking leaves an entry too."""
    page = visit.services.accounts.accesses(visit.who.token, _PAGE, visit.asked.cursor)
    values = {
        "accesses": page.items, "next_cursor": page.next_cursor, "what": WHAT, "by_officers": BY_OFFICERS,
        "here_session": visit.who.token.session, "is_first": visit.asked.cursor is None,
    }  # fmt: skip
    return Shown("me/accesses.html", values)


def show_take_along(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """What there is to take along."""
    visit.services.demand_session(visit.who)
    return Shown("me/take_along.html")


def receipts(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """All of them with their proofs, as `vaultctl audit verify-receipts` reads them."""
    lines = exported(visit.services.accounts.receipts(visit.who.token))
    return Download("my-receipts.json", "application/json", lines)


def export(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """Every entry, one a line, and a last line that counts them."""
    lines = exported(visit.services.records.export(visit.who.token))
    return Download("my-data.jsonl", "application/jsonl", lines)


VIEWS: tuple[View[PageServices, Visitor], ...] = (
    View("GET", f"{PREFIX}/accesses", show_accesses, Which),
    View("GET", f"{PREFIX}/take-along", show_take_along),
    View("GET", f"{PREFIX}/receipts", receipts),
    View("GET", f"{PREFIX}/export", export),
)

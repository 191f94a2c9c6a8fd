"""What officers do, for P8: deciding, releasing, and what is refused to them."""

import contextlib
from collections.abc import Callable
from typing import Any

from tests.promises.audit_flows import exporting, searching
from tests.recovery.office import Office, opened_office
from tests.rig.vault import Vault
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.recovery_errors import NoteRefusedError, SelfApprovalError
from vault_service.domain.web_errors import PasskeyCounterError
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.passkey_counters import take_counter
from vault_service.recovery.release import release_to

Act = Callable[[], object]
Deed = Callable[[Office, ShownCase], Act]


def _approving(office: Office, shown: ShownCase) -> Act:
    return lambda: office.approve("bob", shown)


def _approving_ones_own(office: Office, shown: ShownCase) -> Act:
    return lambda: office.approve("ana", shown)


def _releasing(**ceremony: Any) -> Deed:
    def deed(office: Office, shown: ShownCase) -> Act:
        office.approve("bob", shown)  # nobody hands in a share for what nobody wants
        ceremony_id = office.ceremony([shown], **ceremony).id
        return lambda: release_to(office.parts, office.acting("bob"), ceremony_id)

    return deed


def _counting_back(office: Office, shown: ShownCase) -> Act:
    """A passkey that was copied."""
    officer, passkey = office.acting("bob").officer_id, shown.case_id  # any id
    take_counter(office.parts, officer, passkey, 2)
    return lambda: take_counter(office.parts, officer, passkey, 1)


OFFICER_FLOWS: dict[str, tuple[Deed, KeysEvent, type[VaultError] | None]] = {
    "approving a case": (_approving, KeysEvent.CASE_APPROVED, None),
    "approving what one has opened": (_approving_ones_own, KeysEvent.APPROVAL_REFUSED, SelfApprovalError),
    "releasing a share": (_releasing(), KeysEvent.SHARE_RELEASED, None),
    "releasing a share to a note that nobody signed": (
        _releasing(sign=False), KeysEvent.CEREMONY_REFUSED, NoteRefusedError,
    ),
    "signing with a passkey that counts back": (
        _counting_back, KeysEvent.PASSKEY_COUNTER_WENT_BACK, PasskeyCounterError,
    ),
    "looking for what was logged": (searching, KeysEvent.AUDIT_SEARCHED, None),
    "taking an export of the logs": (exporting, KeysEvent.AUDIT_EXPORTED, None),
}  # fmt: skip


def begin(vault: Vault, deed: Deed) -> Act:
    """A case that ana has opened, and what somebody is about to do with it."""
    stack = contextlib.ExitStack()
    office = stack.enter_context(opened_office(vault))
    act = deed(office, office.open(by="ana"))

    def once() -> object:
        with stack:
            return act()

    return once

"""Which user has a login: officers ask before they open a case; each look-up stays in the trail."""

import hashlib

from vault_service.domain.errors import SealBrokenError, ThrottledError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, OfficerId
from vault_service.domain.login import normalise_login
from vault_service.kms.protocol.recovery_messages import FindUser, UserFound
from vault_service.kms.recovery.officers import demand_in_general, officer_of, refuse_officer
from vault_service.kms.service import KeyService
from vault_service.kms.users.look_up import look_up
from vault_service.storage.keys.apps import find_tenant
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.users import find_login


def find_user(service: KeyService, request: FindUser) -> UserFound:
    """The user whom the login leads to, or None. The event is committed before the answer.

    Raises InvalidInputError, OfficerRefusedError, NotPermittedError, ThrottledError; IntegrityError when the
    database leads the login to somebody who has another one.
    """
    officer = officer_of(service, request)
    who = OfficerId(officer.officer_id)
    demand_in_general(service, officer, "find_user")
    try:
        service.officer_calls.look_up(who, service.policies.recovery.limits.look_ups_per_officer_per_hour)
    except ThrottledError as error:
        refuse_officer(service, who, error)
    name = normalise_login(request.login)
    with service.db.connection() as conn:
        tenant = find_tenant(conn, request.tenant)
    looked = look_up(service, tenant, name) if tenant else None
    row = looked.row if looked else None
    with service.db.connection() as conn:
        kept = find_login(conn, row.user) if row else None
    user = None
    if row is not None and kept is not None and kept.index == row.login_index:  # else it was changed just now
        user = row.user
        # Whoever can write to the database would have officers open, or erase, somebody else's account.
        with service.integrity(user):
            if service.keyring.open_login(row.tenant, user, kept) != name or row.tenant != tenant:
                raise SealBrokenError
    with service.db.transaction() as conn:
        insert_event(
            conn, KeysEvent.USER_LOOKED_UP, service.now(), user=user or NOBODY, officer=who,
            digest=hashlib.sha256(request.purpose.encode()).digest(),
        )  # fmt: skip
    return UserFound(user)

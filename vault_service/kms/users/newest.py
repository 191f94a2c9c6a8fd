"""An older credential that somebody put back leads to no newer one.

A superuser of the keys database can put back a whole older row. It opens with the password of its time, and
the API refuses its epoch, since it keeps a floor. But whatever makes a new credential raises the epoch by
one, and so would climb to that floor: a one-time password or a recovery code that was used, or an old
password at a sign-in that changes the data key. The trail, which is sealed, tells how high it is. (Looked at
once more where it is raised, under the lock: storage/keys/users.py.)
"""

from vault_service.domain.errors import LoginRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import was_put_back


def demand_newest(service: KeyService, user: UserId) -> None:
    """Asked once the password, the code or, for another one-time password, the app's key was right: who has
    none of them learns nothing from it.

    Raises LoginRefusedError, with an event.
    """
    with service.db.connection() as conn:
        older = was_put_back(conn, user)
    if older:
        service.record(KeysEvent.WRAP_INTEGRITY_FAILED, user=user)
        raise LoginRefusedError

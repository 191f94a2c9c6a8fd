"""A key service that has not read the newest manifest yet meets what another one has written."""

import pytest

from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.inside import Inside
from tests.rotation.operator import Operator
from vault_service.domain.events import KeysEvent
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Unlock
from vault_service.kms.service import KeyService
from vault_service.kms.users.unlock import unlock

pytestmark = pytest.mark.slow


def test_it_reads_the_manifest_before_it_takes_a_wrap_for_tampered(
    turned: Vault, second: KeyService, operator: Operator, api: KmsClient
) -> None:
    """The wrap names a pepper that the late one has never heard of."""
    before = second.manifests.current().serial
    operator.next("pepper")
    person = enrol(turned, api)
    assert second.manifests.current().serial == before, "it is late"

    opened = unlock(second, Unlock(turned.app_key, person.login, person.password))

    assert opened.user_id == person.user
    with turned.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE kind = %s", (int(KeysEvent.WRAP_INTEGRITY_FAILED),)
        ).fetchone()
    assert row == (0,)


def test_what_it_makes_next_follows_what_the_other_one_made(turned: Vault, second: KeyService) -> None:
    """A change reads the chain anew within its transaction, whatever is believed at the moment."""
    with Operator.of(turned) as operator:
        made = operator.create("manifest")

    assert Inside(second).create("manifest") == made

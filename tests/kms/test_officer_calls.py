"""Calls in an officer's name: signed by the officer, for this call, once; else refused with an event."""

import hashlib
import time
from uuid import UUID

import msgspec
import pytest

from tests.kms.recoveries import UNSIGNED, Recoveries, signed, with_limits
from tests.rig.people import enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import IntegrityError, InvalidInputError, ThrottledError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, OfficerId, TenantId, UserId, new_uuid
from vault_service.domain.recovery_errors import NotPermittedError, OfficerRefusedError
from vault_service.kms.client import KmsClient
from vault_service.kms.limits.officer_calls import OfficerCalls
from vault_service.kms.protocol.messages import AppKeyIssued, ChangeLogin, CreateApp, Done, Enrol, Enrolled
from vault_service.kms.protocol.recovery_messages import FindUser, Identify
from vault_service.kms.recovery import find_user as find_user_module
from vault_service.kms.recovery.find_user import find_user
from vault_service.kms.recovery.identify import identify
from vault_service.kms.service import KeyService
from vault_service.kms.users.look_up import Found
from vault_service.kms.users.look_up import look_up as real_look_up
from vault_service.settings import KmsClient as KmsClientSettings

PURPOSE = "a letter of the court, number 17"


@pytest.fixture
def recoveries(vault: Vault, service: KeyService) -> Recoveries:
    return Recoveries(vault, service)


def last_event(vault: Vault) -> tuple[KeysEvent, UUID, UUID | None, bytes | None]:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT kind, user_id, officer_id, digest FROM audit_events ORDER BY event_id DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    return KeysEvent(row[0]), row[1], row[2], row[3]  # type: ignore[return-value]  # columns of the statement


def look_up(login: str, tenant: str = "default") -> FindUser:
    return FindUser(tenant, login, PURPOSE, UNSIGNED)


def test_an_officer_finds_the_user_of_a_login_and_the_trail_says_whom(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    person, ana, digest = (
        enrol(vault, kms),
        recoveries.officer("ana"),
        hashlib.sha256(PURPOSE.encode()).digest(),
    )
    service = recoveries.service

    assert find_user(service, signed(service, ana, look_up(person.login))).user_id == person.user
    assert last_event(vault) == (KeysEvent.USER_LOOKED_UP, person.user, ana.officer, digest)
    for request in (look_up("nobody-here@example.org"), look_up(person.login, tenant="no such tenant")):
        assert find_user(service, signed(service, ana, request)).user_id is None
        assert last_event(vault) == (KeysEvent.USER_LOOKED_UP, NOBODY, ana.officer, digest)


def test_a_proof_is_good_once(vault: Vault, recoveries: Recoveries) -> None:
    service, ana = recoveries.service, recoveries.officer("ana")
    request = signed(service, ana, look_up("nobody-here@example.org"))
    find_user(service, request)

    with pytest.raises(OfficerRefusedError, match="used before"):
        find_user(service, request)
    assert last_event(vault)[:3] == (KeysEvent.OFFICER_REFUSED, NOBODY, ana.officer)


@pytest.mark.parametrize("what", ["unsigned", "old", "another request", "another officer", "another call"])
def test_what_the_officer_did_not_sign_just_now_is_refused_with_an_event(
    vault: Vault, recoveries: Recoveries, what: str
) -> None:
    service, ana, bob = recoveries.service, recoveries.officer("ana"), recoveries.officer("bob")
    request = look_up("nobody-here@example.org")
    genuine = signed(service, ana, request)
    elsewhere = signed(service, ana, Identify(new_uuid(), "a@example.org", "b", UNSIGNED))
    proof = {
        "unsigned": msgspec.structs.replace(genuine.proof, signature=bytes(64)),
        "old": signed(service, ana, request, at=int(time.time()) - 121).proof,
        "another request": signed(service, ana, look_up("somebody-else@example.org")).proof,
        "another officer": msgspec.structs.replace(genuine.proof, officer_id=bob.officer),
        "another call": elsewhere.proof,
    }[what]

    with pytest.raises(OfficerRefusedError):
        find_user(service, msgspec.structs.replace(request, proof=proof))
    assert last_event(vault)[:3] == (KeysEvent.OFFICER_REFUSED, NOBODY, proof.officer_id)


def test_a_restart_makes_no_recorded_proof_good_again(recoveries: Recoveries) -> None:
    """The nonces are forgotten with the process, and with them all proofs that may be from before it."""
    restarted, nonce = OfficerCalls(began_at=1_000_000), bytes(16)
    restarted.take_nonce(OfficerId(new_uuid()), nonce, 1_000_000, 1_000_000)
    restarted.take_nonce(OfficerId(new_uuid()), nonce, 1_000_200, 1_000_120)

    with pytest.raises(OfficerRefusedError, match="before the key service started"):
        restarted.take_nonce(OfficerId(new_uuid()), nonce, 999_999, 1_000_001)
    with pytest.raises(OfficerRefusedError, match="dated ahead"):
        restarted.take_nonce(OfficerId(new_uuid()), nonce, 1_000_100, 1_000_001)


def test_nonces_are_kept_as_long_as_their_proofs_are_good_and_no_more_of_them_than_fit() -> None:
    seconds = 0.0
    calls, ana, bob = OfficerCalls(clock=lambda: seconds, began_at=0), new_uuid(), new_uuid()
    for number in range(1000):
        calls.take_nonce(ana, number.to_bytes(16, "big"), 1, 1)

    with pytest.raises(ThrottledError):
        calls.take_nonce(ana, b"x" * 16, 1, 1)
    calls.take_nonce(bob, b"x" * 16, 1, 1)
    seconds = 239.0  # dated 120 s ahead, good for 120 s more
    with pytest.raises(OfficerRefusedError):
        calls.take_nonce(bob, b"x" * 16, 1, 240)
    seconds = 240.0
    calls.take_nonce(ana, b"x" * 16, 1, 241)


def test_a_login_that_was_made_to_lead_to_somebody_else_finds_nobody(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    """Or a superuser has officers disclose, or erase, the wrong person's data."""
    meant, victim = enrol(vault, kms), enrol(vault, kms)
    asked = look_up(meant.login)
    with vault.keys.superuser() as conn:
        conn.execute(
            """WITH l AS (UPDATE logins SET user_id = %(victim)s WHERE user_id = %(meant)s
                          RETURNING login_index)
               UPDATE users SET login_index = l.login_index FROM l WHERE users.user_id = %(victim)s""",
            {"victim": victim.user, "meant": meant.user},
        )

    with pytest.raises(IntegrityError):
        find_user(recoveries.service, signed(recoveries.service, recoveries.officer("ana"), asked))
    assert last_event(vault)[:2] == (KeysEvent.WRAP_INTEGRITY_FAILED, victim.user)


def point_at(vault: Vault, meant: UUID, other: UUID) -> None:
    """A login's row, and nothing else."""
    with vault.keys.superuser() as conn:
        conn.execute("UPDATE logins SET user_id = %s WHERE user_id = %s", (other, meant))


def test_a_login_whose_row_alone_leads_to_somebody_else_finds_nobody_and_is_told(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    meant, victim = enrol(vault, kms), enrol(vault, kms)
    point_at(vault, meant.user, victim.user)

    with pytest.raises(IntegrityError):
        find_user(
            recoveries.service, signed(recoveries.service, recoveries.officer("ana"), look_up(meant.login))
        )
    assert last_event(vault)[:2] == (KeysEvent.WRAP_INTEGRITY_FAILED, victim.user)


def test_a_login_that_leads_to_its_namesake_of_another_tenant_finds_nobody(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    """Both have that very login, each under its own index."""
    meant, namesake = enrol(vault, kms), UserId(new_uuid())
    operator = kms_client(KmsClientSettings(url=vault.socket("operator")))
    shop = operator.call(CreateApp("shop", tenant=new_uuid().hex), AppKeyIssued).app_key
    operator.close()
    kms.call(Enrol(shop, namesake, meant.login, PASSWORD), Enrolled)
    point_at(vault, meant.user, namesake)

    with pytest.raises(IntegrityError):
        find_user(
            recoveries.service, signed(recoveries.service, recoveries.officer("ana"), look_up(meant.login))
        )


def test_a_login_that_is_changed_while_it_is_looked_up_is_no_tampering(
    vault: Vault, kms: KmsClient, recoveries: Recoveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = enrol(vault, kms)

    def meanwhile(service: KeyService, tenant: TenantId, login: str) -> Found:
        found = real_look_up(service, tenant, login)
        kms.call(ChangeLogin(person.user, person.password, f"moved-{person.login}"), Done)
        return found

    monkeypatch.setattr(find_user_module, "look_up", meanwhile)
    asked = signed(recoveries.service, recoveries.officer("ana"), look_up(person.login))

    assert find_user(recoveries.service, asked).user_id is None
    assert last_event(vault)[:2] == (KeysEvent.USER_LOOKED_UP, NOBODY)


def test_an_officer_looks_up_so_many_in_an_hour(vault: Vault, recoveries: Recoveries) -> None:
    service = with_limits(recoveries.service, look_ups_per_officer_per_hour=2)
    ana, bob = recoveries.officer("ana"), recoveries.officer("bob")
    for _ in range(2):
        find_user(service, signed(service, ana, look_up("nobody-here@example.org")))

    with pytest.raises(ThrottledError):
        find_user(service, signed(service, ana, look_up("nobody-here@example.org")))
    assert last_event(vault)[:3] == (KeysEvent.OFFICER_REFUSED, NOBODY, ana.officer)
    assert find_user(service, signed(service, bob, look_up("nobody-here@example.org"))).user_id is None


def test_look_ups_count_for_an_hour_each() -> None:
    seconds = 0.0
    calls, ana = OfficerCalls(clock=lambda: seconds), new_uuid()
    calls.look_up(ana, 2)
    seconds = 1800.0
    calls.look_up(ana, 2)
    with pytest.raises(ThrottledError):
        calls.look_up(ana, 2)
    seconds = 3600.0
    calls.look_up(ana, 2)
    with pytest.raises(ThrottledError) as refused:
        calls.look_up(ana, 2)
    assert refused.value.retry_after_s == 1801


def test_who_may_not_look_anybody_up_is_refused_with_an_event(
    vault: Vault, recoveries: Recoveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, ana = recoveries.service, recoveries.officer("ana")
    manifest = service.manifests.current()
    auditors = tuple(msgspec.structs.replace(each, roles=("auditor",)) for each in manifest.officers)
    changed = msgspec.structs.replace(manifest, officers=auditors)
    monkeypatch.setattr(service.manifests, "_current", changed)

    with pytest.raises(NotPermittedError):
        find_user(service, signed(service, ana, look_up("nobody-here@example.org")))
    assert last_event(vault)[:3] == (KeysEvent.OFFICER_REFUSED, NOBODY, ana.officer)


def test_an_officer_who_was_removed_makes_no_call(
    recoveries: Recoveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, ana = recoveries.service, recoveries.officer("ana")
    manifest = service.manifests.current()
    left = tuple(each for each in manifest.officers if each.officer_id != ana.officer)
    monkeypatch.setattr(service.manifests, "_current", msgspec.structs.replace(manifest, officers=left))

    with pytest.raises(OfficerRefusedError):
        find_user(service, signed(service, ana, look_up("nobody-here@example.org")))
    with pytest.raises(OfficerRefusedError):
        identify(service, signed(service, ana, Identify(new_uuid(), "a@example.org", "b", UNSIGNED)))


def test_a_login_that_cannot_be_one_is_said_to_be_wrong(recoveries: Recoveries) -> None:
    service, ana = recoveries.service, recoveries.officer("ana")
    with pytest.raises(InvalidInputError):
        find_user(service, signed(service, ana, look_up("x" * 400)))

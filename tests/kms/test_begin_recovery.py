"""Asking for access again: the same for a login that nobody has, and a retry finds the same case."""

from collections import Counter
from uuid import UUID

import pytest

from tests.kms.recoveries import NEW_PASSWORD, Recoveries
from tests.kms.test_equal_work import counted_statements
from tests.rig.people import enrol
from tests.rig.vault import Vault
from vault_service.crypto.argon2 import Argon2
from vault_service.crypto.seal import open_sealed
from vault_service.domain.case import from_case_time
from vault_service.domain.contexts import OuterContext, RegainKeyContext
from vault_service.domain.errors import (
    AppKeyRefusedError,
    IdempotencyConflictError,
    OverloadedError,
    WeakPasswordError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, DekId, TenantId, UserId, new_uuid
from vault_service.domain.recovery_errors import CaseNotFoundError
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.credentials import REGAIN_KEY
from vault_service.storage.keys.cases import list_cases
from vault_service.storage.keys.regains import find_regain_key


def nobody() -> str:
    return f"nobody-{new_uuid().hex[-8:]}@example.org"


def test_a_login_that_nobody_has_costs_and_leaves_the_same(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Argon2, three operations in the token, the same statements, an event and a word to the app."""
    service.manifests.current()
    recoveries, person = Recoveries(vault, service), enrol(vault, kms)

    def work_of(login: str) -> tuple[object, ...]:
        derivations, calls = service.argon2.derivations, Counter(service.keyring.token.calls)
        with counted_statements(monkeypatch) as statements:
            begun = recoveries.begin(login)
        with counted_statements(monkeypatch) as of_status:
            status = recoveries.status(begun.case_id)
        wait = from_case_time(begun.expires_at) - from_case_time(begun.due_at)
        return (
            service.argon2.derivations - derivations, service.keyring.token.calls - calls, statements,
            of_status, status, wait, len(begun.verification_phrase.split()), recoveries.events(begun.case_id),
            [each for each in recoveries.told(begun.case_id) if each[0] == "app"],
        )  # fmt: skip

    known, unknown = work_of(person.login), work_of(nobody())

    assert known == unknown
    assert known[:2] == (1, Counter({"hmac": 4}))  # the fourth is the status's


def test_a_decoy_is_in_no_list_and_told_to_no_officer(vault: Vault, service: KeyService) -> None:
    recoveries = Recoveries(vault, service)
    case = recoveries.begin(nobody()).case_id

    with service.db.connection() as conn:
        listed = list_cases(conn, under_way=False)
    assert case not in [row.case for row in listed]
    assert recoveries.row(case).decoy
    assert recoveries.told(case) == [("app", "opened")]


def test_the_private_key_is_under_the_new_password_and_the_pepper(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    recoveries, person = Recoveries(vault, service), enrol(vault, kms)
    begun = recoveries.of(person)
    case = recoveries.case(begun.case_id)
    with service.db.connection() as conn:
        key = find_regain_key(conn, CaseId(begun.case_id))
    assert key is not None
    place = RegainKeyContext(
        TenantId(case.tenant or UUID(int=0)), person.user, DekId(case.dek_id or UUID(int=0)), case.case_id,
        key.kdf, key.salt, bytes.fromhex(case.target_pk or ""),
    )  # fmt: skip
    outer = OuterContext(REGAIN_KEY, place.encode(), 1, bytes.fromhex(case.login_index or ""), key.pepper_gen)
    inner = service.keyring.open_outer(outer, key.wrap, inner_length=93)

    kek = Argon2(budget_kib=key.kdf.memory_kib, queue_wait_s=1).derive(NEW_PASSWORD, key.salt, key.kdf)
    assert inner.genuine
    assert len(open_sealed(kek, place, inner.inner, length=93)) == 32


def test_a_retry_finds_the_same_case_whatever_the_password(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    recoveries = Recoveries(vault, service)
    for login in (enrol(vault, kms).login, nobody()):
        first = recoveries.begin(login)
        again = recoveries.begin(
            f" {login.upper()} ", case=first.case_id, password="another one that is long"
        )

        assert (again.case_id, again.verification_phrase, again.due_at, again.expires_at) == (
            first.case_id, first.verification_phrase, first.due_at, first.expires_at,
        )  # fmt: skip
        assert recoveries.events(first.case_id) == [KeysEvent.CASE_OPENED]


def test_a_case_id_stands_for_one_login_and_one_app(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    recoveries, person = Recoveries(vault, service), enrol(vault, kms)
    case = recoveries.of(person).case_id
    other_app = vault.create_app(f"other-{case.hex[-6:]}")

    for login, app_key in ((nobody(), vault.app_key), (person.login, other_app)):
        with pytest.raises(IdempotencyConflictError):
            recoveries.begin(login, app_key=app_key, case=case)


@pytest.mark.parametrize("stolen", [True, False])
def test_who_says_later_that_the_password_was_stolen_is_told_to_ask_anew(
    vault: Vault, kms: KmsClient, service: KeyService, stolen: bool
) -> None:
    """Else the old password would go on opening the data, and its owner believe that it does not."""
    recoveries = Recoveries(vault, service)
    for login in (enrol(vault, kms).login, nobody()):
        case = recoveries.begin(login, stolen=stolen).case_id

        assert recoveries.begin(login, case=case, stolen=stolen).case_id == case
        with pytest.raises(IdempotencyConflictError):
            recoveries.begin(login, case=case, stolen=not stolen)


def test_another_app_does_not_see_the_case(vault: Vault, kms: KmsClient, service: KeyService) -> None:
    recoveries = Recoveries(vault, service)
    case = recoveries.of(enrol(vault, kms)).case_id
    stranger = Recoveries(vault, service)
    stranger.vault = type("V", (), {"app_key": vault.create_app(f"stranger-{case.hex[-6:]}")})()

    for who, which in ((stranger, case), (recoveries, new_uuid())):
        with pytest.raises(CaseNotFoundError):
            who.status(which)


def test_two_requests_for_the_same_user_are_two_cases(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    """Nobody's approval of one counts for the other, not even where the words are the same."""
    recoveries, person = Recoveries(vault, service), enrol(vault, kms)
    first, second = recoveries.of(person), recoveries.of(person)

    assert first.verification_phrase != second.verification_phrase
    one, other = recoveries.case(first.case_id), recoveries.case(second.case_id)
    assert one.nonce != other.nonce
    assert one.target_pk != other.target_pk


def test_a_weak_password_or_a_wrong_app_opens_nothing(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    recoveries, person, case = Recoveries(vault, service), enrol(vault, kms), new_uuid()

    with pytest.raises(WeakPasswordError):
        recoveries.begin(person.login, password="short", case=case)
    with pytest.raises(AppKeyRefusedError):
        recoveries.begin(person.login, app_key="vsa_nonsense", case=case)
    with pytest.raises(CaseNotFoundError):
        recoveries.status(case)


def test_a_case_without_its_key_is_never_left_behind(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No memory for Argon2 at the moment: nothing was opened, and a retry does it all."""
    recoveries, person, case = Recoveries(vault, service), enrol(vault, kms), new_uuid()
    with monkeypatch.context() as patch:
        patch.setattr(service.argon2, "_budget_kib", 1)
        with pytest.raises(OverloadedError):
            recoveries.begin(person.login, case=case)

    assert recoveries.events(case) == []
    assert (
        UserId(recoveries.case(recoveries.begin(person.login, case=case).case_id).user_id or case)
        == person.user
    )

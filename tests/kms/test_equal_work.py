"""A login that does not exist costs what one costs that does: counted, not timed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.rig.people import enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import LoginRefusedError, ThrottledError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.tokens import new_one_time_password
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import (
    ChangeLogin,
    ChangePassword,
    Enrol,
    Enrolled,
    Erase,
    Request,
    Unlock,
)
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.service import KeyService
from vault_service.kms.users.erase import erase
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.password import change_password
from vault_service.kms.users.recovery_code import create_recovery_code, redeem_recovery_code
from vault_service.kms.users.unlock import unlock

WRONG = "not the password of anybody here"
NEW = "nine lanterns behind the old mill"
CODE = "000G4-0R40M-30E20-9185G-R38E1-W"  # nobody's
CALLS: dict[type[Request], Callable[[KeyService, Any], object]] = {
    Unlock: unlock, ChangePassword: change_password, ChangeLogin: change_login, Erase: erase,
    CreateRecoveryCode: create_recovery_code, RedeemRecoveryCode: redeem_recovery_code,
}  # fmt: skip


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Statements by their first word; each of them really runs."""
    counts: Counter[str] = Counter()
    real = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        counts[str(query).split()[0]] += 1
        return real(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", execute)
        yield counts


def work_of(
    service: KeyService, request: Request, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, Counter[str], Counter[str]]:
    """Argon2 derivations, token operations, statements of one refused call."""
    derivations, calls = service.argon2.derivations, Counter(service.keyring.token.calls)
    with counted_statements(monkeypatch) as statements, pytest.raises(LoginRefusedError):
        CALLS[type(request)](service, request)
    return service.argon2.derivations - derivations, service.keyring.token.calls - calls, statements


def test_an_unknown_login_costs_the_same_argon2_token_calls_and_statements(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.manifests.current()
    person = enrol(vault, kms)

    known = work_of(service, Unlock(vault.app_key, person.login, WRONG), monkeypatch)
    unknown = work_of(service, Unlock(vault.app_key, "nobody-at-all@example.org", WRONG), monkeypatch)

    assert known == unknown
    assert known[0] == 1
    assert known[1] == Counter({"hmac": 2})


@pytest.mark.parametrize("stolen", [False, True], ids=["asked for", "asked for because of a theft"])
def test_a_recovery_under_way_does_not_tell_who_has_an_account(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch, stolen: bool
) -> None:
    """Whoever has an app's key can ask for one of any login, and then try passwords and codes."""
    service.manifests.current()
    logins = (enrol(vault, kms).login, f"nobody-{new_uuid().hex}@example.org")
    for login in logins:
        begin_recovery(service, BeginRecovery(vault.app_key, new_uuid(), login, NEW, stolen))

    def refused(*requests: Request) -> list[tuple[int, Counter[str], Counter[str]]]:
        return [work_of(service, each, monkeypatch) for each in requests]

    known, unknown = refused(*(Unlock(vault.app_key, each, WRONG) for each in logins))
    assert known == unknown
    assert known[:2] == (1, Counter({"hmac": 3}))
    known, unknown = refused(*(RedeemRecoveryCode(vault.app_key, each, CODE, NEW) for each in logins))
    assert known == unknown
    assert known[:2] == (0, Counter({"hmac": 3}))


def test_the_right_password_costs_the_same_argon2_and_token_calls(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    service.manifests.current()
    person = enrol(vault, kms)
    derivations, calls = service.argon2.derivations, Counter(service.keyring.token.calls)

    unlock(service, Unlock(vault.app_key, person.login, person.password))

    assert service.argon2.derivations - derivations == 1
    assert service.keyring.token.calls - calls == Counter({"hmac": 2})


def redeem(user: UserId) -> ChangePassword:
    return ChangePassword(user, new_one_time_password(), PASSWORD, one_time=True)


BY_ID: dict[str, Callable[[UserId], Request]] = {
    "redeem": redeem,
    "change_password": lambda user: ChangePassword(user, WRONG, PASSWORD),
    "change_login": lambda user: ChangeLogin(user, WRONG, "elsewhere@example.org"),
    "erase": lambda user: Erase(user, WRONG),
    "create_recovery_code": lambda user: CreateRecoveryCode(user, WRONG),
}


@pytest.mark.parametrize("call", BY_ID)
def test_an_unknown_user_costs_what_a_wrong_password_costs(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    service.manifests.current()
    user = UserId(new_uuid())
    password = None if call == "redeem" else PASSWORD
    kms.call(Enrol(vault.app_key, user, f"{new_uuid().hex}@example.org", password), Enrolled)

    known = work_of(service, BY_ID[call](user), monkeypatch)
    unknown = work_of(service, BY_ID[call](UserId(new_uuid())), monkeypatch)

    assert known == unknown
    assert known[0] == 1


def test_redeeming_does_not_tell_who_has_a_one_time_password(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no app key: whoever asks gets the same work, answers and waits for every user id."""
    service.manifests.current()
    invited = UserId(new_uuid())
    kms.call(Enrol(vault.app_key, invited, f"{new_uuid().hex}@example.org", None), Enrolled)
    users = (invited, enrol(vault, kms).user, UserId(new_uuid()))

    work = [work_of(service, redeem(user), monkeypatch) for user in users]
    assert work[0] == work[1] == work[2]
    for user in users:
        for _ in range(4):
            with pytest.raises(LoginRefusedError):
                change_password(service, redeem(user))
        with pytest.raises(ThrottledError):
            change_password(service, redeem(user))


def test_trying_to_redeem_what_nobody_was_given_is_no_guess_at_the_password(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    """Not even the right password passes for a one-time one, nor do such tries throttle the person."""
    person = enrol(vault, kms)
    for _ in range(5):
        with pytest.raises(LoginRefusedError):
            change_password(
                service, ChangePassword(person.user, person.password, "another good one", one_time=True)
            )

    assert person.opens_with(person.password)


def test_a_recovery_code_is_refused_at_the_same_cost_whether_the_login_or_a_code_exists(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.manifests.current()
    keeper, other = enrol(vault, kms), enrol(vault, kms)
    kms.call(CreateRecoveryCode(keeper.user, keeper.password), RecoveryCodeIs)

    def refused(login: str) -> tuple[int, Counter[str], Counter[str]]:
        return work_of(service, RedeemRecoveryCode(vault.app_key, login, CODE, NEW), monkeypatch)

    wrong = refused(keeper.login)

    assert wrong == refused(other.login) == refused("nobody-at-all@example.org")
    assert wrong[:2] == (0, Counter({"hmac": 2}))

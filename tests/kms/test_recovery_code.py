"""The code that a user keeps: one use, one epoch, one user; and nothing where the policy is off."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.kms.recoveries import Recoveries
from tests.promises.inside import rows_of
from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IntegrityError,
    InvalidInputError,
    LoginRefusedError,
    ThrottledError,
    VaultError,
    WeakPasswordError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.recovery_errors import RecoveryCodeOffError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done, Enrol, Enrolled, Erase
from vault_service.kms.protocol.recovery_messages import (
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService
from vault_service.kms.users.recovery_code import (
    code_guesses_of,
    create_recovery_code,
    redeem_recovery_code,
)

NEW = "nine lanterns behind the old mill"
WRONG = "000G4-0R40M-30E20-9185G-R38E1-W"


@dataclass(frozen=True)
class Keeper:
    """Somebody who has written a code down."""

    person: Person
    code: str

    def redeem(self, code: str | None = None, login: str | None = None, new: str = NEW) -> CodeRedeemed:
        vault = self.person.vault
        request = RedeemRecoveryCode(vault.app_key, login or self.person.login, code or self.code, new)
        return self.person.kms.call(request, CodeRedeemed)

    def is_refused(self, code: str | None = None, login: str | None = None) -> bool:
        try:
            self.redeem(code, login)
        except LoginRefusedError:
            return True
        return False

    def rows(self) -> list[dict[str, Any]]:
        return [row.columns for row in rows_of(self.person.vault.keys, "recovery_codes", self.person.user)]

    def events(self) -> list[KeysEvent]:
        with self.person.vault.keys.superuser() as conn:
            found = conn.execute(
                "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id", (self.person.user,)
            ).fetchall()
        return [KeysEvent(int(str(kind))) for (kind,) in found]


def make_code(person: Person) -> str:
    return person.kms.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs).code


@pytest.fixture
def keeper(vault: Vault, kms: KmsClient) -> Keeper:
    person = enrol(vault, kms)
    return Keeper(person, make_code(person))


@pytest.fixture
def without_codes(service: KeyService) -> KeyService:
    """The key service under the policy as it comes."""
    off = msgspec.structs.replace(service.policies.recovery.recovery_code, enabled=False)
    recovery = msgspec.structs.replace(service.policies.recovery, recovery_code=off)
    return replace(service, policies=msgspec.structs.replace(service.policies, recovery=recovery))


def test_the_code_sets_a_new_password_for_the_same_data(keeper: Keeper) -> None:
    before = keeper.person.unlock()

    redeemed = keeper.redeem()

    after = keeper.person.unlock(NEW)
    assert (after.dek, after.epoch) == (before.dek, before.epoch + 1)
    assert (redeemed.user_id, redeemed.epoch) == (keeper.person.user, after.epoch)
    assert not keeper.person.opens_with(PASSWORD)
    assert keeper.events()[1:5] == [
        KeysEvent.RECOVERY_CODE_CREATED, KeysEvent.UNLOCKED, KeysEvent.RECOVERY_CODE_USED, KeysEvent.UNLOCKED,
    ]  # fmt: skip


def test_it_works_once(keeper: Keeper) -> None:
    keeper.redeem()

    assert keeper.is_refused()
    assert keeper.rows() == []
    assert keeper.events()[-1] is KeysEvent.RECOVERY_CODE_REFUSED


def test_of_many_at_once_one_sets_its_password(keeper: Keeper) -> None:
    def attempt(number: int) -> str | None:
        try:
            keeper.redeem(new=f"{NEW} number {number}")
        except (LoginRefusedError, ConcurrentChangeError, ThrottledError):
            return None
        return f"{NEW} number {number}"

    with ThreadPoolExecutor(6) as pool:
        won = [each for each in pool.map(attempt, range(6)) if each]

    assert len(won) == 1
    assert keeper.person.opens_with(won[0])


def test_a_code_that_was_replaced_while_it_was_looked_at_sets_nothing(
    keeper: Keeper, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one may have been seen by somebody: that is why there is a newer."""
    person, real = keeper.person, service.argon2.derive
    service.manifests.current()
    newer: list[str] = []

    def derive(*args: Any, **how: Any) -> bytes:
        newer.append(make_code(person))
        return real(*args, **how)

    monkeypatch.setattr(type(service.argon2), "derive", lambda _, *args, **how: derive(*args, **how))
    with pytest.raises(ConcurrentChangeError):
        redeem_recovery_code(
            service, RedeemRecoveryCode(person.vault.app_key, person.login, keeper.code, NEW)
        )
    monkeypatch.undo()

    assert keeper.redeem(newer[0])


def test_another_code_ends_the_first(keeper: Keeper) -> None:
    second = make_code(keeper.person)

    assert keeper.is_refused()
    assert keeper.redeem(second)


def test_a_new_password_ends_the_code_also_when_its_row_is_put_back(keeper: Keeper) -> None:
    """A superuser with a stolen code of an older password."""
    (row,) = keeper.rows()
    keeper.person.change_password(NEW + " again")
    assert keeper.rows() == []

    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    with keeper.person.vault.keys.superuser() as conn:
        statement = sql.SQL(
            "INSERT INTO recovery_codes ({0}) SELECT {0} FROM jsonb_populate_record(NULL::recovery_codes, %s)"
        )
        conn.execute(statement.format(columns), [Jsonb(row)])
        assert keeper.is_refused()
        conn.execute("UPDATE recovery_codes SET epoch = 2 WHERE user_id = %s", [keeper.person.user])

    assert keeper.is_refused()
    assert keeper.events()[-2:] == [KeysEvent.WRAP_INTEGRITY_FAILED] * 2


def test_it_goes_on_under_another_login_and_the_old_one_leads_nowhere(keeper: Keeper) -> None:
    """Whoever keeps a code in a drawer does not think of it when the address changes."""
    before, renamed = keeper.person.unlock(), f"moved-{keeper.person.login}"
    keeper.person.kms.call(ChangeLogin(keeper.person.user, PASSWORD, renamed), Done)

    assert keeper.is_refused()
    assert keeper.redeem(login=renamed).epoch == before.epoch + 1


def test_an_altered_code_is_noticed_when_the_login_changes(keeper: Keeper) -> None:
    with keeper.person.vault.keys.superuser() as conn:
        conn.execute(
            "UPDATE recovery_codes SET wrap = set_byte(wrap, 70, get_byte(wrap, 70) # 1) WHERE user_id = %s",
            [keeper.person.user],
        )

    with pytest.raises(IntegrityError):
        keeper.person.kms.call(ChangeLogin(keeper.person.user, PASSWORD, f"to-{keeper.person.login}"), Done)


def test_two_peoples_codes_that_were_swapped_open_nothing(keeper: Keeper, kms: KmsClient) -> None:
    other = enrol(keeper.person.vault, kms)
    others = Keeper(other, make_code(other))
    with keeper.person.vault.keys.superuser() as conn:
        conn.execute(
            """UPDATE recovery_codes c SET wrap = o.wrap FROM recovery_codes o
               WHERE c.user_id = ANY(%(both)s) AND o.user_id = ANY(%(both)s) AND o.user_id <> c.user_id""",
            {"both": [keeper.person.user, other.user]},
        )

    assert keeper.is_refused()
    assert keeper.is_refused(others.code)
    assert keeper.events()[-2:] == [KeysEvent.WRAP_INTEGRITY_FAILED] * 2


def test_erasing_leaves_no_code(keeper: Keeper) -> None:
    keeper.person.kms.call(Erase(keeper.person.user, PASSWORD), Done)

    assert keeper.rows() == []
    assert keeper.is_refused()


def test_a_weak_password_uses_nothing_up(keeper: Keeper) -> None:
    for _ in range(8):
        with pytest.raises(WeakPasswordError):
            keeper.redeem(new=keeper.person.login + keeper.person.login)
    with pytest.raises(InvalidInputError):
        keeper.redeem("not a code at all")

    assert keeper.redeem()


def test_who_has_the_code_needs_no_regain_that_is_open(
    keeper: Keeper, vault: Vault, service: KeyService
) -> None:
    recoveries = Recoveries(vault, service)
    case = recoveries.of(keeper.person).case_id

    keeper.redeem()

    assert recoveries.status(case) == "cancelled"


def test_where_somebody_else_may_know_the_password_the_code_waits_for_the_officers_too(
    keeper: Keeper, vault: Vault, service: KeyService
) -> None:
    """With the password the thief may have made it; the refusal is that of a wrong code."""
    recoveries = Recoveries(vault, service)
    begun = recoveries.of(keeper.person, stolen=True)
    recoveries.approve("ana", begun, keeper.person.login)

    assert keeper.is_refused()

    assert keeper.events()[-1] is KeysEvent.RECOVERY_CODE_REFUSED
    assert recoveries.status(begun.case_id) == "open"


def test_guesses_are_slowed_down_apart_from_those_at_the_password(keeper: Keeper) -> None:
    refused: list[type[VaultError]] = []
    for _ in range(7):
        with pytest.raises(VaultError) as error:
            keeper.redeem(WRONG)
        refused.append(type(error.value))

    assert refused == [LoginRefusedError] * 5 + [ThrottledError] * 2
    assert keeper.person.opens_with(PASSWORD)


def test_a_code_that_was_guessed_at_too_often_before_its_user_was_moved_is_refused_as_a_wrong_one(
    keeper: Keeper,
) -> None:
    """A new generation of the login index key gives nobody a further guess (storage/keys/guesses.py)."""
    with keeper.person.vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT encode(login_index, 'hex') FROM users WHERE user_id = %s", [keeper.person.user]
        ).fetchone()
        assert row is not None
        conn.execute(
            """INSERT INTO guesses (login_index, failures, carried, not_before, updated_at)
               VALUES (%s, 0, 100, now(), now())
               ON CONFLICT (login_index) DO UPDATE SET failures = 0, carried = 100""",
            [code_guesses_of(bytes.fromhex(str(row[0])))],
        )

    assert keeper.is_refused()

    assert keeper.events()[-1] is KeysEvent.RECOVERY_CODE_REFUSED
    assert len(keeper.rows()) == 1


def test_a_password_that_others_have_locked_is_replaced_with_the_code(keeper: Keeper) -> None:
    with keeper.person.vault.keys.superuser() as conn:
        conn.execute(
            """UPDATE guesses SET failures = 100 WHERE login_index =
               (SELECT login_index FROM users WHERE user_id = %s)""",
            [keeper.person.user],
        )
    assert not keeper.person.opens_with(PASSWORD)

    keeper.redeem()

    assert keeper.person.opens_with(NEW)


def test_a_one_time_password_makes_no_code(vault: Vault, kms: KmsClient) -> None:
    """Whoever handed it over could keep a way in."""
    user, login = UserId(new_uuid()), f"once-{new_uuid().hex}@example.org"
    one_time = kms.call(Enrol(vault.app_key, user, login), Enrolled).one_time_password
    assert one_time is not None

    with pytest.raises(LoginRefusedError):
        kms.call(CreateRecoveryCode(user, one_time), RecoveryCodeIs)
    with vault.keys.superuser() as conn:  # whoever clears the mark, which no wrap binds, changes nothing
        conn.execute("UPDATE credentials SET must_change = false WHERE user_id = %(u)s", {"u": user})
    with pytest.raises(LoginRefusedError):
        kms.call(CreateRecoveryCode(user, one_time), RecoveryCodeIs)


def test_where_the_policy_is_off_no_code_is_made_and_none_works(
    keeper: Keeper, without_codes: KeyService
) -> None:
    """Not even one that was made while it was on."""
    before, person = keeper.rows(), keeper.person

    with pytest.raises(RecoveryCodeOffError):
        create_recovery_code(without_codes, CreateRecoveryCode(person.user, PASSWORD))
    with pytest.raises(RecoveryCodeOffError):
        redeem_recovery_code(
            without_codes, RedeemRecoveryCode(person.vault.app_key, person.login, keeper.code, NEW)
        )

    assert keeper.rows() == before
    assert person.opens_with(PASSWORD)

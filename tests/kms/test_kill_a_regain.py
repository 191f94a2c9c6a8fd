"""kill -9 of the key service while a ceremony peels and completes, and at the first login (P9).

What comes before the first statement that writes leaves the old state by itself, so the service dies at each
of the last steps only, counted back from a run that nothing kills.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kms.casework import NEW_PASSWORD, CaseFile, open_regain
from tests.kms.chains import key_service
from tests.kms.test_kill_at_each_step import Check, answered
from tests.rig.officers import Ceremony, ceremony_of, sealed_for
from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.service import KeyService

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_NEVER = 10_000  # steps
Prepared = tuple[Callable[[], object], Callable[[bool], None]]
"""A call, and what must hold afterwards, given whether it was answered."""


@pytest.fixture(scope="module")
def own_vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """One for this module: each test leaves it whole."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture(scope="module")
def beside(own_vault: Vault) -> Iterator[KeyService]:
    """A key service that nobody kills, to open cases with."""
    with key_service(own_vault) as service:
        yield service


def kill_at_the_last(vault: Vault, steps: int, call: str, prepare: Callable[[], Prepared]) -> None:
    """Let it run once, then die after each of its last steps; the next one to die serves the check."""
    armed = vault.home / "armed"
    check: Check = lambda: None  # noqa: E731
    kill_at = [_NEVER]
    while kill_at:
        vault.running["kms"].kill()
        vault.start_killable_kms(call, kill_at[0], armed)
        check()
        act, holds = prepare()
        armed.touch()
        done = answered(act)
        if kill_at.pop(0) == _NEVER:
            count = int(armed.read_text())
            assert count > steps
            kill_at = list(range(count - steps + 1, count + 1))
        armed.unlink()
        check = functools.partial(holds, done)
    vault.running["kms"].kill()
    vault.start_forked_kms()
    check()


@pytest.fixture
def person(own_vault: Vault) -> Person:
    return enrol(own_vault, kms_of(own_vault))


def begun(vault: Vault, service: KeyService, person: Person) -> tuple[CaseFile, Ceremony]:
    """An approved regain and a ceremony for it."""
    file = open_regain(vault, service, person)
    file.approve("ana", "bob")
    ceremony = ceremony_of(vault)
    ceremony.open(file.case.case_id)
    return file, ceremony


def complete(file: CaseFile, ceremony: Ceremony, wrap: PeeledWrap) -> Callable[[], object]:
    sealed = sealed_for(file.case, wrap, file.dek)  # the same for every try
    return lambda: ceremony.complete(file.case.case_id, sealed_dek=sealed)


def test_a_peel_that_was_killed_can_be_repeated(own_vault: Vault, beside: KeyService, person: Person) -> None:
    def prepare() -> Prepared:
        file, ceremony = begun(own_vault, beside, person)

        def holds(done: bool) -> None:
            assert file.state in ({"executing"} if done else {"executing", "open"})
            assert ceremony.peel(file.case.case_id).wraps[0].wrap is not None
            assert file.state == "executing"

        return lambda: ceremony.peel(file.case.case_id), holds

    kill_at_the_last(own_vault, 3, "peel", prepare)


def test_completing_a_regain_leaves_the_old_password_or_the_new_one(
    own_vault: Vault, beside: KeyService, person: Person
) -> None:
    passwords = [person.password, NEW_PASSWORD]

    def prepare() -> Prepared:
        file, ceremony = begun(own_vault, beside, person)
        (wrap,) = ceremony.peel(file.case.case_id).wraps
        again = complete(file, ceremony, wrap)

        def holds(done: bool) -> None:
            # The new one is the same each time, so the wrap's kind tells what the new state is.
            with own_vault.keys.superuser() as conn:
                row = conn.execute(
                    """SELECT c.kind, c.epoch = u.epoch, k.state, count(r.case_id)
                       FROM credentials c JOIN users u USING (user_id)
                       JOIN cases k ON k.case_id = %(case)s LEFT JOIN regain_keys r ON r.case_id = k.case_id
                       WHERE c.user_id = %(user)s GROUP BY 1, 2, 3""",
                    {"user": person.user, "case": file.case.case_id},
                ).fetchone()
            old, new = ("password", True, "executing", 1), ("regain", True, "executed", 0)
            assert row in ((new,) if done else (old, new))
            if row == old:
                assert person.unlock().dek == file.dek
            again()
            person.password = passwords[-1]
            assert person.unlock().dek == file.dek
            assert not person.opens_with(passwords[0])

        return again, holds

    kill_at_the_last(own_vault, 11, "complete", prepare)


def test_the_first_login_leaves_a_credential_that_opens(
    own_vault: Vault, beside: KeyService, person: Person
) -> None:
    def prepare() -> Prepared:
        file, ceremony = begun(own_vault, beside, person)
        (wrap,) = ceremony.peel(file.case.case_id).wraps
        complete(file, ceremony, wrap)()
        person.password = NEW_PASSWORD
        epoch = wrap.epoch

        def holds(done: bool) -> None:
            del done
            opened = person.unlock()
            assert (opened.dek, opened.epoch) == (file.dek, epoch)

        return person.unlock, holds

    kill_at_the_last(own_vault, 9, "unlock", prepare)

"""People who forget their password while keys are rotated and services killed, and officers who help."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.ceremony.office import Office
from tests.rotation.traffic import LostError, again
from vault_service.client import LoginRefusedError, VaultClient
from vault_service.domain.errors import VaultError

_OFFICERS = ("ana", "bob")
_PATIENCE_S = 120.0


@dataclass
class Recovering:
    """One regain after another, each until its ceremony has executed it."""

    client: VaultClient
    office: Office
    stop: threading.Event
    regained: int = 0
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until told to stop, and at least once."""
        try:
            while not self.regained or not self.stop.is_set():
                self.one(self.regained)
                self.regained += 1
        except Exception as error:  # noqa: BLE001  # told by the test that waits for this thread
            self.failures.append(f"{type(error).__name__}: {error}")

    def one(self, number: int) -> None:
        """Forgotten, asked for, approved by two, executed; the new password finds what the old one left."""
        login = f"forgetful-{number}@example.org"
        old, new = f"forgotten password {number} of lanterns", f"remembered password {number} of lanterns"
        again(lambda: self.client.sign_up(login, old, idempotency_key=login))
        with again(lambda: self.client.sign_in(login, old)) as session:
            session.records.create("note", {"title": login})
        begun = again(lambda: self.client.recover(login, new))
        case = begun.case_id
        self.office.logins[case], self.office.phrases[case] = login, begun.verification_phrase
        end = time.monotonic() + _PATIENCE_S
        while self.office.state(case) != "executed":
            if time.monotonic() > end:
                raise LostError(f"the regain {case} is {self.office.state(case)}, and goes no further")
            self.serve(case)
        with again(lambda: self.client.sign_in(login, new)) as session:
            if [record.fields for record in again(lambda: list(session.records.find()))] != [
                {"title": login}
            ]:
                raise LostError(f"{login} does not find the note after a regain")
        try:
            again(lambda: self.client.sign_in(login, old))
        except LoginRefusedError:
            return
        raise LostError(f"the forgotten password of {login} opens")

    def serve(self, case: UUID) -> None:
        """One ceremony, which may come to nothing since what it needs is killed."""
        with self.office.in_this_process() as here:
            end = time.monotonic() + 10
            while self.office.gathering(case) is None and time.monotonic() < end and not here.running.done():
                time.sleep(0.05)
            for name in _OFFICERS:
                self.try_(lambda: self.office.approve(case, name))  # noqa: B023  # called at once
                self.try_(lambda: self.office.release(name))  # noqa: B023  # likewise
            try:
                here.running.result(20)
            except (VaultError, TimeoutError):
                return

    def try_(self, act: Callable[[], Any]) -> None:
        """What was done already, or cannot be done just now, is no matter: the next round sees."""
        try:
            act()
        except VaultError:
            time.sleep(0.1)

"""People who use a vault all along, each beside a model of what they should find.

An answer that never came may mean either: then the model keeps both, and whatever is found must be one of
them. What was acknowledged has to be there, whatever is killed and whichever keys are replaced meanwhile.
Each thread has people of its own, so that nobody's model depends on another thread.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from vault_service.client import (
    ConcurrentChangeError,
    LoginRefusedError,
    ThrottledError,
    UnavailableError,
    UserSession,
    VaultClient,
    VaultConnectionError,
)

_T = TypeVar("_T")
_PATIENCE_S = 60.0  # until something that was killed is there again
NOT_ANSWERED = (UnavailableError, VaultConnectionError)


class LostError(AssertionError):
    """Something that was acknowledged is not there, or something is there that nobody asked for."""


@dataclass
class Member:
    """One person, and all that may be true of them."""

    logins: list[str]
    passwords: list[str]
    user: UUID | None = None
    may_be_gone: bool = False
    code: str | None = None
    notes: dict[str, list[str | None]] = field(default_factory=dict)  # by title: texts; None: no such note
    ids: dict[str, UUID] = field(default_factory=dict)  # of notes that were acknowledged

    def may(self, title: str, text: str | None) -> None:
        """It may have come to that."""
        self.notes[title] = [*self.notes.get(title, [None]), text]


@dataclass
class Traffic:
    """Threads of people; `failures` says what was found wrong."""

    client: VaultClient
    seed: int
    threads: int = 3
    people: int = 6  # of each thread, about
    failures: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    members: list[Member] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs, people come, use the vault and go."""
        crews = [Crew(self, random.Random(f"{self.seed}/{n}")) for n in range(self.threads)]
        threads = [threading.Thread(target=crew.run, daemon=True) for crew in crews]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(_PATIENCE_S)
            self.members = [member for crew in crews for member in crew.members]

    @property
    def stopped(self) -> bool:
        """Whether it is time to go, also since somebody found something wrong."""
        return self._stop.is_set() or bool(self.failures)

    def number(self) -> int:
        """Another one each time."""
        return next(self._numbers)

    def check(self) -> None:
        """Everybody, at the end: their password opens, and what they find is what they left."""
        assert self.failures == [], self.failures
        for member in self.members:
            crew = Crew(self, random.Random(0))
            session = crew.signed_in(member)
            if session is not None:
                crew.compare(member, session)


@dataclass
class Crew:
    """The people of one thread."""

    traffic: Traffic
    chance: random.Random
    members: list[Member] = field(default_factory=list)

    def run(self) -> None:
        """Until it is time to go."""
        try:
            while not self.traffic.stopped:
                self.turn()
        except Exception as error:  # noqa: BLE001  # told by the test that waits for this thread
            self.traffic.failures.append(f"{type(error).__name__}: {error}")

    def turn(self) -> None:
        """Somebody signs in and does something; or somebody new comes."""
        if len(self.members) < self.traffic.people:
            self.members.append(self.sign_up())
            return
        member = self.chance.choice(self.members)
        session = self.signed_in(member)
        if session is None:
            self.members.remove(member)
            return
        deeds: list[tuple[int, Callable[[Member, UserSession], None]]] = [
            (30, self.write), (15, self.rewrite), (5, self.delete), (15, self.compare), (5, self.search),
            (25, self.change_password), (20, self.change_login), (4, self.make_code), (4, self.use_code),
            (4, self.erase),
        ]  # fmt: skip
        (deed,) = self.chance.choices([each for _, each in deeds], [weight for weight, _ in deeds])
        deed(member, session)
        self.traffic.done[deed.__name__] += 1

    # --- coming and going

    def sign_up(self) -> Member:
        n = self.traffic.number()
        login, password = f"traffic-{n}@example.org", f"traffic password {n} of plain lanterns"
        key = f"traffic-{n}"
        answer = again(lambda: self.traffic.client.sign_up(login, password, idempotency_key=key))
        self.traffic.done["sign_up"] += 1
        return Member([login], [password], answer.user_id)

    def signed_in(self, member: Member) -> UserSession | None:
        """With whichever login and password it has come to; None once the person may be gone, and is."""
        refused = 0
        for login in list(member.logins):
            for password in list(member.passwords):
                try:
                    session = again(lambda: self.traffic.client.sign_in(login, password))  # noqa: B023
                except LoginRefusedError:
                    refused += 1
                    continue
                member.logins, member.passwords, member.may_be_gone = [login], [password], False
                self.traffic.done["sign_in"] += 1
                return session
        if member.may_be_gone:
            return None
        raise LostError(f"{member.user}: none of {len(member.logins)} logins and passwords opens")

    def erase(self, member: Member, session: UserSession) -> None:
        if acknowledged(lambda: session.erase(member.passwords[0])):
            self.members.remove(member)
            try:
                again(lambda: self.traffic.client.sign_in(member.logins[0], member.passwords[0]))
            except LoginRefusedError:
                return
            raise LostError(f"{member.user} was erased and can sign in")
        member.may_be_gone = True

    # --- passwords and logins

    def change_password(self, member: Member, session: UserSession) -> None:
        new = f"traffic password {self.traffic.number()} of other lanterns"
        done = acknowledged(lambda: session.change_password(member.passwords[0], new))
        member.passwords = [new] if done else [*member.passwords, new]
        member.code = None

    def change_login(self, member: Member, session: UserSession) -> None:
        new = f"traffic-{self.traffic.number()}@example.org"
        done = acknowledged(lambda: session.change_login(member.passwords[0], new))
        member.logins = [new] if done else [*member.logins, new]

    def make_code(self, member: Member, session: UserSession) -> None:
        member.code = None
        try:
            member.code = session.create_recovery_code(member.passwords[0])
        except (*NOT_ANSWERED, ConcurrentChangeError):
            return

    def use_code(self, member: Member, session: UserSession) -> None:
        """A code that was shown opens, unless the password was changed since."""
        if member.code is None:
            self.make_code(member, session)
        code, member.code = member.code, None
        if code is None:
            return
        new = f"traffic password {self.traffic.number()} by a code"
        login = member.logins[0]
        done = acknowledged(lambda: self.traffic.client.redeem_recovery_code(login, code, new))
        member.passwords = [new] if done else [*member.passwords, new]

    # --- records

    def write(self, member: Member, session: UserSession) -> None:
        title, text = f"note {self.traffic.number()}", f"text {self.traffic.number()}"
        try:
            record = session.records.create("note", {"title": title, "text": text})
        except NOT_ANSWERED:
            member.may(title, text)
            return
        member.notes[title], member.ids[title] = [text], record.record_id

    def rewrite(self, member: Member, session: UserSession) -> None:
        title, text = self.some_note(member), f"text {self.traffic.number()}"
        if title is None:
            return
        record = member.ids[title]
        if acknowledged(lambda: session.records.replace(record, {"title": title, "text": text})):
            member.notes[title] = [text]
        else:
            member.may(title, text)

    def delete(self, member: Member, session: UserSession) -> None:
        title = self.some_note(member)
        if title is None:
            return
        record = member.ids.pop(title)
        if acknowledged(lambda: session.records.delete(record)):
            member.notes[title] = [None]
        else:
            member.may(title, None)

    def some_note(self, member: Member) -> str | None:
        return self.chance.choice(sorted(member.ids)) if member.ids else None

    def search(self, member: Member, session: UserSession) -> None:
        title = self.some_note(member)
        if title is None:
            return
        found = again(lambda: list(session.records.find(collection="note", where={"title": title})))
        if [each.fields["text"] for each in found if each.fields["text"] in member.notes[title]] == []:
            raise LostError(f"{member.user}: {title!r} is not found by its title")

    def compare(self, member: Member, session: UserSession) -> None:
        """Every note, and no other."""
        found = {
            str(each.fields["title"]): str(each.fields["text"])
            for each in again(lambda: list(session.records.find(collection="note", page_size=50)))
        }
        for title in {*found, *member.notes}:
            allowed, text = member.notes.get(title, [None]), found.get(title)
            if text not in allowed:
                raise LostError(f"{member.user}: {title!r} is {text!r}, not of {allowed}")
            member.notes[title] = [text]


def again(act: Callable[[], _T]) -> _T:
    """Until there is an answer; for what may be repeated. Refusals are answers."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return act()
        except ThrottledError as error:
            pause = min(error.retry_after_s or 1.0, 5.0)
            if time.monotonic() > end:
                raise
        except NOT_ANSWERED:
            pause = 0.05
            if time.monotonic() > end:
                raise
        time.sleep(pause)


def acknowledged(act: Callable[[], object]) -> bool:
    """True: it is done. False: it may be, or not."""
    try:
        act()
    except (*NOT_ANSWERED, ConcurrentChangeError, ThrottledError):
        return False
    return True

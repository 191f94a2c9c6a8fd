"""What a vault does, as a model: plain dictionaries beside the real thing, compared after each step.

Rules that use a session take any session there ever was: one that has ended must be refused.
"""

import copy
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule

from tests.model.world import (
    COLLECTIONS,
    LOGINS,
    TITLES,
    Begun,
    Kept,
    Person,
    fields_of,
    merged,
    patches,
)
from vault_service.client import (
    Create,
    Delete,
    LoginRefusedError,
    LoginTakenError,
    MustChangePasswordError,
    NotFoundError,
    Read,
    SessionRefusedError,
    Update,
    VaultApiError,
    VaultClient,
    VersionMismatchError,
)

_FREE_GUESSES = 3  # fewer than the policy's: from the fifth on a login is slowed down
_numbers = itertools.count(1)


class VaultMachine(RuleBasedStateMachine):
    """One app's users, over the client and the API, on a real vault."""

    sessions: Bundle[Begun] = Bundle("sessions")
    client: VaultClient  # given by the test

    def __init__(self) -> None:
        super().__init__()
        self.prefix = uuid4().hex[:12]
        self.people: dict[str, Person] = {}  # by login
        self.failures: Counter[str] = Counter()
        self.begun: list[Begun] = []

    # --- helpers of the rules

    def login(self, number: int) -> str:
        return f"{self.prefix}-{number}@example.org"

    def begin(self, login: str) -> Begun:
        person = self.people[login]
        begun = Begun(person, self.client.sign_in(login, person.password))
        self.failures[login] = 0
        self.begun.append(begun)
        return begun

    def end_all(self, person: Person) -> None:
        for begun in self.begun:
            begun.ended = begun.ended or begun.person is person

    def refused(self, begun: Begun, *, only_adds: bool = False) -> type[VaultApiError] | None:
        """What this session's requests must get, if it is no good. One-time passwords may add records."""
        if begun.ended:
            return SessionRefusedError
        if begun.person.must_change and not only_adds:
            return MustChangePasswordError
        return None

    def login_of(self, person: Person) -> str:
        return next(login for login, each in self.people.items() if each is person)

    # --- people

    @initialize(target=sessions)
    def somebody(self) -> Begun:
        return self.sign_up_and_in(0, one_time=False)

    def sign_up_and_in(self, number: int, *, one_time: bool) -> Begun:
        login = self.login(number)
        password = None if one_time else f"model password {next(_numbers)} of plain lanterns"
        answer = self.client.sign_up(login, password)
        self.people[login] = Person(answer.user_id, password or str(answer.one_time_password), one_time)
        return self.begin(login)

    @rule(target=sessions, number=st.sampled_from(LOGINS), one_time=st.booleans())
    def sign_up(self, number: int, one_time: bool) -> Any:
        if self.login(number) not in self.people:
            return self.sign_up_and_in(number, one_time=one_time)
        with pytest.raises(LoginTakenError):
            self.client.sign_up(self.login(number), "whoever it is that asks for it")
        return multiple()

    @rule(target=sessions, number=st.sampled_from(LOGINS))
    def sign_in(self, number: int) -> Any:
        login = self.login(number)
        if login in self.people:
            return self.begin(login)
        return self.refuse_guess(login, "nobody has this login any more")

    @rule(number=st.sampled_from(LOGINS))
    def guess(self, number: int) -> None:
        self.refuse_guess(self.login(number), "a guess that is not right at all")

    def refuse_guess(self, login: str, password: str) -> Any:
        if self.failures[login] < _FREE_GUESSES:
            self.failures[login] += 1
            with pytest.raises(LoginRefusedError):
                self.client.sign_in(login, password)
        return multiple()

    @rule(begun=sessions)
    def change_password(self, begun: Begun) -> None:
        new = f"model password {next(_numbers)} of other lanterns"
        if begun.ended:
            with pytest.raises(SessionRefusedError):
                begun.session.change_password(begun.person.password, new)
            return
        login = self.login_of(begun.person)
        begun.session.change_password(begun.person.password, new)
        old, begun.person.password, begun.person.must_change = begun.person.password, new, False
        self.failures[login] = 0
        self.end_all(begun.person)
        self.refuse_guess(login, old)

    @rule(begun=sessions, number=st.sampled_from(LOGINS))
    def change_login(self, begun: Begun, number: int) -> None:
        new, person = self.login(number), begun.person
        if problem := self.refused(begun):
            with pytest.raises(problem):
                begun.session.change_login(person.password, new)
        elif self.people.get(new, person) is not person:
            with pytest.raises(LoginTakenError):
                begun.session.change_login(person.password, new)
        else:
            begun.session.change_login(person.password, new)
            self.failures[self.login_of(person)] = 0
            self.people = {login: each for login, each in self.people.items() if each is not person}
            self.people[new] = person
            self.failures[new] = 0

    @rule(begun=consumes(sessions))
    def sign_out(self, begun: Begun) -> None:
        if begun.ended:
            with pytest.raises(SessionRefusedError):
                begun.session.sign_out()
        else:
            begun.session.sign_out()
            begun.ended = True
            with pytest.raises(SessionRefusedError):
                begun.session.me()

    @rule(target=sessions, begun=consumes(sessions))
    def erase(self, begun: Begun) -> Any:
        if problem := self.refused(begun):
            with pytest.raises(problem):
                begun.session.erase(begun.person.password)
            return begun
        begun.session.erase(begun.person.password)
        login = self.login_of(begun.person)
        del self.people[login]
        self.failures[login] = 0
        self.end_all(begun.person)
        return begun

    # --- records

    @rule(begun=sessions, collection=st.sampled_from(COLLECTIONS), fields=fields_of)
    def create(self, begun: Begun, collection: str, fields: dict[str, Any]) -> None:
        if problem := self.refused(begun, only_adds=True):
            with pytest.raises(problem):
                begun.session.records.create(collection, fields)
            return
        record = begun.session.records.create(collection, fields)
        assert (record.version, record.fields) == (1, fields)
        begun.person.records[record.record_id] = Kept(collection, copy.deepcopy(fields))

    @rule(begun=sessions, data=st.data())
    def read(self, begun: Begun, data: st.DataObject) -> None:
        """Anybody's record: those of others are not there."""
        record = data.draw(self.any_record())
        kept = begun.person.records.get(record)
        problem = self.refused(begun) or (None if kept else NotFoundError)
        if problem:
            with pytest.raises(problem):
                begun.session.records.get(record)
        else:
            assert kept
            found = begun.session.records.get(record)
            assert (found.collection, found.fields, found.version) == (
                kept.collection,
                kept.fields,
                kept.version,
            )
            begun.person.reads[record] += 1

    def any_record(self) -> st.SearchStrategy[UUID]:
        known = [record for begun in self.begun for record in begun.person.records]
        return st.sampled_from([*dict.fromkeys(known), UUID(int=7)])

    @rule(begun=sessions, data=st.data(), fields=fields_of, patch=patches, lag=st.sampled_from((None, 0, 1)))
    def change(
        self,
        begun: Begun,
        data: st.DataObject,
        fields: dict[str, Any],
        patch: dict[str, Any],
        lag: int | None,
    ) -> None:
        record, whole = data.draw(self.any_record()), data.draw(st.booleans())
        kept = begun.person.records.get(record)
        version = None if lag is None else (kept.version if kept else 1) + lag
        problem = (
            self.refused(begun)
            or (None if kept else NotFoundError)
            or (VersionMismatchError if lag else None)
        )
        records = begun.session.records

        def act() -> Any:
            if whole:
                return records.replace(record, fields, if_version=version)
            return records.patch(record, patch, if_version=version)

        if problem:
            with pytest.raises(problem):
                act()
            return
        assert kept
        expected = fields if whole else merged(kept.fields, patch)
        changed = act()
        kept.fields, kept.version = copy.deepcopy(expected), kept.version + 1
        assert (changed.fields, changed.version) == (expected, kept.version)

    @rule(begun=sessions, data=st.data())
    def delete(self, begun: Begun, data: st.DataObject) -> None:
        record = data.draw(self.any_record())
        problem = self.refused(begun) or (None if record in begun.person.records else NotFoundError)
        if problem:
            with pytest.raises(problem):
                begun.session.records.delete(record)
        else:
            begun.session.records.delete(record)
            del begun.person.records[record]

    @rule(begun=sessions, atomic=st.booleans(), data=st.data(), fields=fields_of)
    def batch(self, begun: Begun, atomic: bool, data: st.DataObject, fields: dict[str, Any]) -> None:
        """Create, read, update and delete, each of a record of its own; some of strangers'."""
        if self.refused(begun):
            return
        chosen = data.draw(st.lists(self.any_record(), max_size=3, unique=True))
        kinds = data.draw(st.permutations(("read", "update", "delete")))
        mine = begun.person.records
        make: dict[str, Callable[[UUID], Read | Update | Delete]] = {
            "read": Read, "update": lambda record: Update(record, fields), "delete": Delete,
        }  # fmt: skip
        pairs = list(zip(kinds, chosen, strict=False))
        operations = [Create("note", fields), *(make[kind](record) for kind, record in pairs)]
        missing = [record for record in chosen if record not in mine]
        if atomic and missing:
            with pytest.raises(NotFoundError):
                begun.session.records.batch(operations, atomic=True)
            return
        results = begun.session.records.batch(operations, atomic=atomic)
        made = results[0].record
        assert made
        mine_before = dict(mine)
        mine[made.record_id] = Kept("note", copy.deepcopy(fields))
        for (kind, record), result in zip(pairs, results[1:], strict=True):
            if record in missing:
                assert result.status == 404
            elif kind == "delete":
                assert result.status == 204
                del mine[record]
            elif kind == "update":
                mine[record].fields, mine[record].version = copy.deepcopy(fields), mine[record].version + 1
            else:
                assert result.record
                assert result.record.fields == mine_before[record].fields
                begun.person.reads[record] += 1

    @rule(
        begun=sessions,
        collection=st.none() | st.sampled_from(COLLECTIONS),
        title=st.none() | st.sampled_from(TITLES),
    )
    def find(self, begun: Begun, collection: str | None, title: str | None) -> None:
        """In the order in which they were made, in pages of two."""
        where = {} if title is None or collection is None else {"title": title}
        if problem := self.refused(begun):
            with pytest.raises(problem):
                list(begun.session.records.find(collection=collection, where=where))
            return
        found = begun.session.records.find(collection=collection, where=where, page_size=2)
        expected = [
            (record, kept.fields)
            for record, kept in begun.person.records.items()
            if collection in (None, kept.collection) and (not where or kept.fields.get("title") == title)
        ]
        assert [(each.record_id, each.fields) for each in found] == expected

    def teardown(self) -> None:
        """Exactly what was acknowledged is kept, and each reading is in the trail."""
        for login, person in self.people.items():
            if person.must_change:
                person.password, person.must_change = self.redeemed(person), False
            session = self.client.sign_in(login, person.password)
            exported = {each.record_id: (each.fields, each.version) for each in session.export()}
            assert exported == {
                record: (kept.fields, kept.version) for record, kept in person.records.items()
            }
            seen = Counter(each.record_id for each in session.accesses() if each.what == "record_read")
            assert {record: n for record, n in seen.items() if n} == {
                r: n for r, n in person.reads.items() if n
            }
            session.sign_out()
        super().teardown()

    def redeemed(self, person: Person) -> str:
        new = f"model password {next(_numbers)} of their own"
        self.client.redeem_one_time_password(person.user_id, person.password, new)
        return new

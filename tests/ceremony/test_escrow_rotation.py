"""Every user's escrow wrap is sealed to a new escrow key, by a case that officers approve and a ceremony."""

import itertools
import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.ceremony.liar import Liar
from tests.ceremony.office import Office
from tests.ceremony.rotations import (
    IN_CHILDREN,
    Kept,
    drill_of_all,
    generations,
    new_escrow_key,
    on_older,
    rotated,
)
from tests.rig.people import Person
from vault_service.ceremony import crew
from vault_service.ceremony.escrow_token import EscrowPinRefusedError
from vault_service.ceremony.parts import Resealing
from vault_service.ceremony.reseal_child import Begin
from vault_service.domain.errors import KmsUnavailableError, TokenKeyError, TokenUnavailableError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.recovery_errors import CaseRefusedError, NoteRefusedError
from vault_service.domain.rotation_errors import UnreadableWrapsError
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.recovery_messages import CompleteCase, Peel, Peeled
from vault_service.kms.protocol.rotation_messages import RewrapEscrow

PEOPLE = 9


@pytest.fixture(scope="module")
def people(turned_office: Office) -> list[Person]:
    return [turned_office.somebody() for _ in range(PEOPLE)]


@pytest.fixture(scope="module")
def kept(turned_office: Office, people: list[Person]) -> Kept:
    """Their wraps, and a newer escrow key than the one that these are sealed to."""
    assert people
    kept = Kept.of(turned_office)
    new_escrow_key(turned_office)
    return kept


@pytest.fixture
def office(turned_office: Office, kept: Kept) -> Office:
    """Everybody is on an older escrow key than the current one."""
    kept.put_back()
    assert len(on_older(turned_office, current(turned_office))) == PEOPLE
    return turned_office


def current(office: Office) -> int:
    return office.acting("ana").manifest.escrow_key.gen


@pytest.mark.parametrize("how", ["in children", "in one process"])
def test_every_wrap_is_sealed_to_the_new_key_and_opens_with_it(office: Office, how: str) -> None:
    parts: dict[str, Any] = {"resealing": IN_CHILDREN} if how == "in children" else {}
    seen: list[tuple[int, int | None]] = []
    parts["progress"] = lambda _, done, total: seen.append((done, total))
    case, result = rotated(office, **parts)

    assert [outcome.error for outcome in result.outcomes] == [None]
    assert generations(office) == {current(office)}
    assert office.state(case) == "executed"
    assert office.events(case)[-1] is K.ROTATION_FINISHED
    assert seen[-1] == (PEOPLE, PEOPLE)
    (drill,) = drill_of_all(office).outcomes
    assert drill.says.startswith(f"{PEOPLE} wraps opened, 0 failed")
    assert not children()


def children() -> list[str]:
    """Command lines of this process's resealing children."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1]) == os.getpid():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return [line for line in found if "reseal_child" in line]


def test_a_wrap_that_does_not_open_is_named_and_left_alone_while_the_others_move(
    office: Office, people: list[Person]
) -> None:
    """The middle one; it holds up nobody, and the exit status tells of it."""
    bad, other = sorted(person.user for person in people)[4:6]
    before = on_older(office, current(office))
    with office.wrap_of_another(bad, other):
        case, result = rotated(office, resealing=IN_CHILDREN)
        assert on_older(office, current(office)) == {bad}
    assert before >= {bad}
    (outcome,) = result.outcomes
    assert isinstance(outcome.error, UnreadableWrapsError)
    assert outcome.executed
    path = Path(outcome.error.detail.rpartition("report: ")[2])
    assert json.loads(path.read_text())["failed"] == [str(bad)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert office.state(case) == "executed"

    # Put right again, another rotation takes it up.
    _, result = rotated(office)
    assert [outcome.error for outcome in result.outcomes] == [None]
    assert generations(office) == {current(office)}


@pytest.mark.parametrize("how", ["in children", "in one process"])
def test_what_was_stored_before_its_answer_got_lost_counts_once(office: Office, how: str) -> None:
    """The report's hash is evidence: it says how many wraps moved, and no second sweep looks for them."""
    lost: set[bytes] = set()
    parts: dict[str, Any] = {"resealing": IN_CHILDREN} if how == "in children" else {}

    def lose(_: Liar, request: Request, told: Any) -> Any:
        if isinstance(request, RewrapEscrow) and (page := msgspec.json.encode(request)) not in lost:
            lost.add(page)
            raise KmsUnavailableError("the key service")
        return told

    liar = Liar(office, lose)
    _, result = rotated(office, kms=liar, **parts)

    (outcome,) = result.outcomes
    assert outcome.error is None
    assert outcome.says.startswith(f"{PEOPLE} wraps sealed")
    pages = [each for each in liar.asked if isinstance(each, Peel)]
    assert len(lost) >= 1
    assert len({each.after for each in pages}) == len(pages), "one sweep"
    with office.vault.keys.superuser() as conn:
        row = conn.execute(
            """SELECT rewrapped, looked_at FROM rotations WHERE kind = 'escrow'
               ORDER BY started_at DESC LIMIT 1"""
        ).fetchone()
    assert row == (PEOPLE, PEOPLE)


def test_an_older_key_that_the_token_has_not_got_is_named_at_once(
    office: Office, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a child after another is lost at it, and no wrap is listed as one that does not open."""
    started: list[Begin] = []

    class Counted(crew.Child):
        def _ask(self, message: Any, within_s: float) -> Any:
            if isinstance(message, Begin):
                started.append(message)
            return super()._ask(message, within_s)

    monkeypatch.setattr(crew, "Child", Counted)
    for path in kept.older_keys:
        path.rename(path.with_suffix(".aside"))
    try:
        case, result = rotated(office, resealing=IN_CHILDREN)
    finally:
        for path in kept.older_keys:
            path.with_suffix(".aside").rename(path)

    (outcome,) = result.outcomes
    assert isinstance(outcome.error, TokenKeyError)
    assert len(started) <= PEOPLE // IN_CHILDREN.page + 1, "once for each page that was under way"
    assert office.state(case) == "open"
    assert len(on_older(office, current(office))) == PEOPLE


class _Killing(crew.Child):
    """Dies, as kill -9 would have it, in the middle of each second page of its."""

    pages = 0

    def reseal(self, page: Any) -> Any:
        _Killing.pages += 1
        if _Killing.pages % 2:
            os.kill(self._process.pid, signal.SIGKILL)
        return super().reseal(page)


def test_children_that_are_killed_are_replaced_and_their_pages_done_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "Child", _Killing)

    _, result = rotated(office, resealing=Resealing(children=1, page=2, derives=100))

    assert [outcome.error for outcome in result.outcomes] == [None]
    assert generations(office) == {current(office)}
    assert _Killing.pages > PEOPLE // 2, "some page was done twice"
    assert not children()


def test_children_that_die_each_time_do_not_go_on_for_ever(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is given back, and the PIN is replaced all the same; the next ceremony does it."""

    class Doomed(crew.Child):
        def reseal(self, page: Any) -> Any:
            os.kill(self._process.pid, signal.SIGKILL)
            return super().reseal(page)

    with monkeypatch.context() as patched:
        patched.setattr(crew, "Child", Doomed)
        case, result = rotated(office, resealing=IN_CHILDREN)
    (outcome,) = result.outcomes
    assert isinstance(outcome.error, TokenUnavailableError)
    assert office.state(case) == "open"
    assert not children()

    with office.in_this_process() as here:
        office.await_gathering(case)
        office.release("ana", "bob")
        assert here.running.result(110) is not None
    assert office.state(case) == "executed"
    assert generations(office) == {current(office)}


def test_no_child_is_told_a_secret_where_others_can_read_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in its arguments nor in its environment, nor in a core dump; it opens no socket."""
    seen: list[tuple[bytes, bytes, str]] = []
    limits: list[str] = []
    pins: list[str] = []

    class Watched(crew.Child):
        def _ask(self, message: Any, within_s: float) -> Any:
            said = super()._ask(message, within_s)
            if isinstance(message, Begin):
                pins.append(message.pin)
                folder = Path(f"/proc/{self._process.pid}")
                sockets = " ".join(os.readlink(each) for each in (folder / "fd").iterdir())
                limits.append((folder / "limits").read_text())
                seen.append(((folder / "cmdline").read_bytes(), (folder / "environ").read_bytes(), sockets))
            return said

    monkeypatch.setattr(crew, "Child", Watched)
    rotated(office, resealing=IN_CHILDREN)

    assert seen
    assert len(set(pins)) == 1
    for each in limits:  # the first thing that it does to itself, see process.harden
        assert next(line for line in each.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
    for arguments, environment, files in seen:
        assert pins[0].encode() not in arguments + environment
        assert "socket:" not in files


def test_a_pin_that_the_token_refuses_is_tried_once_however_many_children_there_are(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a real token a few wrong tries make a locked one."""
    real, tries = crew.work_for, list[str]()

    class Counted(crew.Child):
        def _ask(self, message: Any, within_s: float) -> Any:
            if isinstance(message, Begin):
                tries.append(message.pin)
            return super()._ask(message, within_s)

    def another_pin(*known: Any) -> Begin:
        return msgspec.structs.replace(real(*known), pin="A" * 26)

    monkeypatch.setattr(crew, "Child", Counted)
    monkeypatch.setattr(crew, "work_for", another_pin)
    case, result = rotated(office, resealing=Resealing(children=2, page=1, derives=100))

    assert isinstance(result.outcomes[0].error, EscrowPinRefusedError)
    assert tries == ["A" * 26]
    assert office.state(case) == "open"


def test_what_lies_in_the_folder_where_the_ceremony_was_started_is_not_run(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A child is told the PIN: whoever can write there would have a module of his own be told it."""
    ran = tmp_path / "ran"
    for name in ("queue", "msgspec", "vault_service"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)

    _, result = rotated(office, resealing=IN_CHILDREN)

    assert not ran.exists()
    assert [outcome.error for outcome in result.outcomes] == [None]


LIES: dict[str, Callable[[Peeled], Peeled]] = {
    "wraps twice": lambda told: Peeled((*told.wraps, *told.wraps), told.more),
    "wraps in another order": lambda told: Peeled(tuple(reversed(told.wraps)), told.more),
    "the same page for ever": lambda told: Peeled(told.wraps, more=True),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_captured_key_service_cannot_have_it_go_round_in_circles(
    office: Office, lie: Callable[[Peeled], Peeled]
) -> None:
    first: list[Peeled] = []

    def tell(_: Liar, request: Request, told: Any) -> Any:
        if not isinstance(request, Peel):
            return told
        first.append(told)
        return lie(first[0])

    liar = Liar(office, tell)
    _, result = rotated(office, kms=liar)

    (outcome,) = result.outcomes
    assert isinstance(outcome.error, CaseRefusedError)
    assert not [each for each in liar.asked if isinstance(each, CompleteCase)]


def test_a_captured_key_service_keeps_the_token_open_no_longer_than_the_note(office: Office) -> None:
    """With a page of somebody who does not exist, and another one, and another one."""
    pages = itertools.count(1)

    def tell(_: Liar, request: Request, told: Any) -> Any:
        if not isinstance(request, Peel):
            return told
        number = next(pages)
        assert number < 20, "it goes on for ever"
        if number == 4:
            office.clock.ahead = timedelta(hours=2)
        nobody = msgspec.structs.replace(told.wraps[0], user_id=UUID(int=number), wrap=None)
        return Peeled((nobody,), more=True)

    try:
        _, result = rotated(office, kms=Liar(office, tell))
    finally:
        office.clock.ahead = timedelta()

    assert isinstance(result.outcomes[0].error, NoteRefusedError)


def test_a_captured_key_service_gets_nobodys_key_under_another_ones_name(
    office: Office, people: list[Person]
) -> None:
    """A wrap opens for the user, tenant and data key that it was made for, or for nobody."""

    def tell(_: Liar, request: Request, told: Any) -> Any:
        if not isinstance(request, Peel):
            return told
        shifted = (*told.wraps[1:], told.wraps[0])
        return Peeled(
            tuple(
                msgspec.structs.replace(own, wrap=other.wrap, dek_check=other.dek_check)
                for own, other in zip(told.wraps, shifted, strict=True)
            ),
            told.more,
        )

    liar = Liar(office, tell)
    _, result = rotated(office, kms=liar)

    stored = [each for each in liar.asked if isinstance(each, RewrapEscrow)]
    assert [wrap for each in stored for wrap in each.wraps] == []
    assert {user for each in stored for user in each.failed} == {UUID(str(p.user)) for p in people}
    assert isinstance(result.outcomes[0].error, UnreadableWrapsError)

"""What was released to a ceremony gives the PIN's secret, whatever else was put beside it."""

import hmac
import itertools
import os
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from shamir_mnemonic import generate_mnemonics
from shamir_mnemonic.share import Share

from vault_service.ceremony import released
from vault_service.ceremony.released import EphemeralKey, Releases
from vault_service.ceremony.shares import SharesRefusedError, combine, split
from vault_service.crypto.hpke import seal_to
from vault_service.domain.ceremony_note import release_info
from vault_service.domain.ids import OfficerId
from vault_service.storage.keys.ceremonies import ReleaseRow

NOTE = os.urandom(32)
GEN = 7
SECRET = os.urandom(16)
OFFICERS = [OfficerId(uuid4()) for _ in range(5)]


class Desk:
    """A ceremony's key, the officers' genuine shares, and what was released so far."""

    def __init__(self, threshold: int = 2, people: int = 5) -> None:
        self.key = EphemeralKey()
        self.words = split(SECRET, threshold=threshold, people=people)
        self.tried = 0
        self.rows: list[ReleaseRow] = []
        self.releases = Releases(self.key, NOTE, (GEN, GEN + 1), self._match)

    def _match(self, generation: int, secret: bytes) -> None:
        self.tried += 1
        if generation != GEN or not hmac.compare_digest(secret, SECRET):
            raise SharesRefusedError("another secret")

    def release(
        self,
        words: str,
        officer: UUID = OFFICERS[0],
        *,
        gen: int = GEN,
        note: bytes = NOTE,
        info_of: UUID | None = None,
    ) -> None:
        info = release_info(note, info_of or officer, gen)
        self.rows.append(ReleaseRow(OfficerId(officer), gen, seal_to(self.key.point, info, words.encode())))

    def look(self) -> dict[int, bytes]:
        return self.releases.look(self.rows)

    def looks(self, most: int) -> dict[int, bytes]:
        return next((found for found in (self.look() for _ in range(most)) if found), {})


@pytest.mark.parametrize("people", list(itertools.combinations(range(5), 3)))
def test_any_quorum_of_distinct_officers_suffices(people: Sequence[int]) -> None:
    desk = Desk(threshold=3)
    for person in people[:2]:
        desk.release(desk.words[person], OFFICERS[person])
        assert desk.look() == {}
    desk.release(desk.words[people[2]], OFFICERS[people[2]])

    assert desk.look() == {GEN: SECRET}


def test_more_shares_than_are_needed_do_no_harm() -> None:
    desk = Desk()
    for words, officer in zip(desk.words, OFFICERS, strict=True):
        desk.release(words, officer)
    assert desk.look() == {GEN: SECRET}


def test_upper_case_and_more_spaces_are_the_same_words() -> None:
    desk = Desk()
    desk.release("  " + desk.words[0].upper().replace(" ", "   "), OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[1])
    assert desk.look() == {GEN: SECRET}


def test_rubbish_copies_and_other_shares_do_not_stop_a_good_set() -> None:
    desk, other = Desk(), split(os.urandom(16), threshold=2, people=5)
    stranger = OfficerId(uuid4())
    for officer in (*OFFICERS, stranger):
        desk.rows.append(ReleaseRow(officer, GEN, os.urandom(300)))
        desk.rows.append(ReleaseRow(officer, GEN, b""))
        desk.release("no words of the list", officer)
        desk.release("\N{SNOWMAN}", officer)
        desk.release(other[1], officer)
        desk.release(desk.words[0], officer, gen=GEN + 1)
        desk.release(desk.words[0], officer, gen=GEN + 2)
    wrong = Share.from_mnemonic(desk.words[2])
    desk.release(Share(**{**wrong.__dict__, "value": os.urandom(16)}).mnemonic(), OFFICERS[2])
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[1])

    assert desk.looks(3) == {GEN: SECRET}


def test_one_persons_shares_are_not_a_quorum() -> None:
    """Even two genuine ones: whoever got hold of another's words still speaks for one person."""
    desk = Desk()
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[0])
    assert desk.looks(3) == {}


def test_one_share_in_two_names_is_not_a_quorum() -> None:
    desk = Desk()
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[0], OFFICERS[1])
    assert desk.looks(3) == {}


def test_a_release_to_another_note_or_in_anothers_name_counts_for_nothing() -> None:
    desk = Desk()
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[1], note=os.urandom(32))
    desk.release(desk.words[2], OFFICERS[2], info_of=OFFICERS[3])
    assert desk.looks(3) == {}


def test_a_secret_that_one_share_gives_is_none() -> None:
    """Planted with the check value to match, it would open nothing, and yet cost a try."""
    desk = Desk()
    (alone,) = generate_mnemonics(1, [(1, 1)], SECRET)[0]
    desk.release(alone, OFFICERS[0])
    assert desk.looks(3) == {}
    assert desk.tried == 0


def test_a_planted_set_cannot_hold_the_ceremony_with_key_stretching() -> None:
    """An exponent of 15 means 327 million iterations of PBKDF2; ours are 20,000. Here a mild one, so that
    whether it was combined can be told."""
    desk = Desk()
    planted = generate_mnemonics(1, [(2, 5)], os.urandom(16), iteration_exponent=3)[0]
    desk.release(planted[0], OFFICERS[3])
    desk.release(planted[1], OFFICERS[4])
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[1])

    assert desk.look() == {GEN: SECRET}
    assert desk.tried == 1


def test_copies_of_a_share_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "_MOST_SUBSETS", 5)
    desk = Desk()
    for _ in range(30):
        desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[1])
    assert desk.look() == {GEN: SECRET}


def test_a_flood_delays_a_good_set_and_neither_hides_it_nor_stops_the_ceremony(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By an officer who knows what set to plant into; each look tries a bounded number."""
    monkeypatch.setattr(released, "_MOST_SUBSETS", 50)
    desk = Desk()
    mine = Share.from_mnemonic(desk.words[4])
    for number in range(60):
        planted = {**mine.__dict__, "index": number % 16, "value": os.urandom(16)}
        desk.release(Share(**planted).mnemonic(), OFFICERS[number % 5])
    desk.release(desk.words[0], OFFICERS[0])
    desk.release(desk.words[1], OFFICERS[1])
    tries = 0
    real = combine

    def counted(shares: Sequence[str]) -> bytes:
        nonlocal tries
        tries += 1
        return real(shares)

    monkeypatch.setattr("vault_service.ceremony.released.combine", counted)

    assert desk.look() == {}
    assert tries <= 50
    assert desk.looks(60) == {GEN: SECRET}

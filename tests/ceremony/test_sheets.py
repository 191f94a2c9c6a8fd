"""Break-glass words: on paper only, each sheet seen by its keeper, proved by a word read back."""

import io
import os
import pty
import re
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from vault_service.ceremony.shares import combine, split
from vault_service.ceremony.sheets import (
    ControllingTerminal,
    SheetsAbandonedError,
    SheetSet,
    hand_out,
    sheet_text,
)

SECRET = bytes(range(16))
SHARES = split(SECRET, threshold=2, people=3)
ABOUT = SheetSet("0123abcd", threshold=2, made_on="2026-05-04")


@dataclass
class Keepers:
    """People before a screen: they copy what they see, and read back from their paper."""

    slip: Callable[[int, str], str] = lambda _, word: word  # how they misread: try, word
    leave_at: int = 0  # the sheet before which they go away
    screen: str = ""
    papers: dict[int, list[str]] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)  # sheet, place
    seen_with_question: list[str] = field(default_factory=list)

    def show(self, text: str) -> None:
        self.screen += text + "\n"

    def clear(self) -> None:
        self.screen = ""

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        sheet = re.search(r"SHEET (\d+)", self.screen)
        if sheet:
            if int(sheet[1]) == self.leave_at:
                raise EOFError
            self.papers[int(sheet[1])] = re.findall(r"\d+ ([a-z]+)", self.screen.split("\n\n")[1])
        question = re.search(r"Sheet (\d+): type word (\d+)", prompt)
        if not question:
            return ""
        assert hidden
        self.seen_with_question.append(self.screen)
        number, place = int(question[1]), int(question[2])
        self.asked.append((number, place))
        return self.slip(len(self.asked), self.papers[number][place - 1])


def test_what_is_on_the_papers_gives_the_secret_and_nothing_stays_on_the_screen() -> None:
    keepers = Keepers()

    hand_out(SHARES, ABOUT, keepers)

    assert [" ".join(keepers.papers[number]) for number in (1, 2, 3)] == list(SHARES)
    assert combine([" ".join(keepers.papers[number]) for number in (1, 3)]) == SECRET
    assert keepers.screen == ""


def test_one_sheet_is_on_the_screen_at_a_time_and_none_while_a_word_is_asked_back() -> None:
    keepers = Keepers()
    sheets: list[int] = []
    show = keepers.show

    def watch(text: str) -> None:
        show(text)
        sheets.append(len(re.findall("SHEET", keepers.screen)))

    keepers.show = watch  # type: ignore[method-assign]  # to look at each moment
    hand_out(SHARES, ABOUT, keepers)

    assert max(sheets) == 1
    assert keepers.seen_with_question == ["", "", ""]


def test_every_sheet_is_asked_for_a_word_that_nobody_knows_beforehand() -> None:
    asked = set()
    for _ in range(40):
        keepers = Keepers()
        hand_out(SHARES, ABOUT, keepers)
        assert [number for number, _ in keepers.asked] == [1, 2, 3]
        asked |= {place for _, place in keepers.asked}

    assert len(asked) >= 15, "of twenty places, after 120 questions"


def test_a_wrong_word_shows_the_sheet_again_and_asks_anew() -> None:
    keepers = Keepers(slip=lambda number, word: word if number > 1 else word + "x")

    hand_out(SHARES, ABOUT, keepers)

    assert [number for number, _ in keepers.asked] == [1, 1, 2, 3]


@pytest.mark.parametrize("said", [str.upper, lambda word: f"  {word} "], ids=["upper case", "blanks"])
def test_case_and_blanks_do_not_matter(said: Callable[[str], str]) -> None:
    hand_out(SHARES, ABOUT, Keepers(slip=lambda _, word: said(word)))


@pytest.mark.parametrize("typed", ["", "yes"])
def test_who_cannot_read_a_word_back_does_not_get_past_the_sheet(typed: str) -> None:
    keepers = Keepers(slip=lambda *_: typed)

    with pytest.raises(SheetsAbandonedError, match="sheet 1"):
        hand_out(SHARES, ABOUT, keepers)

    assert list(keepers.papers) == [1], "no other sheet was shown"
    assert keepers.screen == ""


def test_whoever_goes_away_ends_it_with_a_cleared_screen_and_no_word_in_the_error() -> None:
    keepers = Keepers(leave_at=2)

    with pytest.raises(SheetsAbandonedError) as left:
        hand_out(SHARES, ABOUT, keepers)

    assert keepers.screen == ""
    assert not set(f"{left.value}".split()) & set(" ".join(SHARES).split())


def test_a_sheet_names_its_token_its_date_and_how_many_are_needed() -> None:
    """So that a sheet of an older set is not taken for one of this."""
    text = sheet_text(1, 3, SHARES[0].split(), ABOUT)

    assert all(part in text for part in ("0123abcd", "2026-05-04", "any 2 are needed", "1 of 3"))


def test_the_echo_is_off_before_somebody_is_asked_for_what_must_not_be_seen() -> None:
    """Whoever types at once would have a word on the screen, and it may be thrown away besides."""
    ours, theirs = pty.openpty()
    echoes: list[bool] = []

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if text == "word? ":
                echoes.append(bool(termios.tcgetattr(theirs)[3] & termios.ECHO))
                os.write(ours, b"academic\n")
            return super().write(text)

    later = threading.Timer(10, os.write, (ours, b"typed once more\n"))
    later.start()
    with open(theirs) as keyboard:
        answer = ControllingTerminal(Screen(), keyboard).ask("word? ", hidden=True)
    later.cancel()
    os.close(ours)

    assert (answer, echoes) == ("academic", [False])


def test_on_a_real_terminal_a_hidden_answer_is_not_echoed_and_the_echo_comes_back() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as screen, open(os.dup(theirs)) as keyboard:
        terminal = ControllingTerminal(screen, keyboard)
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(terminal.ask("word? ", hidden=True)))
        asking.start()
        said = b""
        while b"word? " not in said:
            said += os.read(ours, 100)
        os.write(ours, b"academic\n")  # at once
        asking.join(60)
        terminal.clear()
        while b"\x1b[H" not in said:
            said += os.read(ours, 1000)
        echo = termios.tcgetattr(theirs)[3] & termios.ECHO
    os.close(ours)

    assert answers == ["academic"]
    assert b"academic" not in said
    assert said.endswith(b"\x1b[2J\x1b[3J\x1b[H")
    assert echo

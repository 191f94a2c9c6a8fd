"""Break-glass words on paper: shown once, one sheet at a time, written down by a person, never stored.

The words of all sheets exist in this process' memory, and of one sheet at a time on one screen:

1 the screen is cleared, scroll-back too, and one sheet is shown;
2 its keeper writes it down and says so; the screen is cleared;
3 one word, chosen at random, is asked back; a wrong one shows the sheet again (1);
4 after the last sheet, and whatever happens on the way, the screen is cleared.

The words go to the controlling terminal itself, not to standard output: that may be a file or a log.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from vault_service.domain.errors import ConfigurationError
from vault_service.durable import sync

_COLUMNS = 4
_CLEAR = "\x1b[2J\x1b[3J\x1b[H"  # ECMA-48: screen; xterm's: what was scrolled away; cursor home
_FOR_TRYING_OUT = """\
######################################################################################
#  FOR TRYING OUT ONLY. These words open this vault's escrow token and name new        #
#  officers. In a real vault they stand on paper, with one keeper each, and in no      #
#  file: see vaultctl init --ceremony. Never put real people's data into a vault       #
#  that was made with this file.                                                       #
######################################################################################
"""
_TRIES = 5  # of one sheet; then somebody reads what is not there, and should begin anew


class SheetsAbandonedError(ConfigurationError):
    """Not every sheet was written down and confirmed."""

    code = "break_glass.sheets_abandoned"
    remedy = "Destroy the sheets of this attempt, and begin again; nothing was changed."


class Terminal(Protocol):
    """A screen and a keyboard, before which people sit."""

    def show(self, text: str) -> None:
        """Print a line or several."""

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        """What was typed, without the line's end. Raises EOFError when nobody answers any more."""
        ...

    def clear(self) -> None:
        """Remove what is on the screen and what was scrolled off it."""


@dataclass(frozen=True, slots=True)
class SheetSet:
    """What stands on each sheet besides its words, so that sheets of different sets are told apart."""

    token_serial: str
    threshold: int
    made_on: str  # a date


def hand_out(
    words: Sequence[str],
    about: SheetSet,
    terminal: Terminal,
    choose: Callable[[int], int] = secrets.randbelow,
) -> None:
    """Show each sheet of a SLIP-39 set until its keeper has proved to have written it down.

    `words`: a share for each sheet. `choose(n)`: a number below n. Raises SheetsAbandonedError.
    """
    try:
        terminal.clear()
        terminal.show(
            f"{len(words)} sheets follow, one keeper each; any {about.threshold} of them open what the "
            "officers' quorum opens.\nLet the first keeper alone see the screen. No photographs."
        )
        terminal.ask("Press Enter when only the keeper of sheet 1 looks on. ")
        for number, share in enumerate(words, 1):
            _hand_out_one(number, len(words), share.split(), about, terminal, choose)
    except (EOFError, KeyboardInterrupt):
        raise SheetsAbandonedError("the sheets were not all confirmed") from None
    finally:
        terminal.clear()


def _hand_out_one(
    number: int,
    of: int,
    words: Sequence[str],
    about: SheetSet,
    terminal: Terminal,
    choose: Callable[[int], int],
) -> None:
    for _ in range(_TRIES):
        terminal.clear()
        terminal.show(sheet_text(number, of, words, about))
        terminal.ask("Write it down, then press Enter: the screen is cleared. ")
        terminal.clear()
        place = choose(len(words))
        typed = terminal.ask(f"Sheet {number}: type word {place + 1} from the paper: ", hidden=True)
        if typed.strip().casefold() == words[place]:
            terminal.clear()
            if number < of:
                terminal.ask(f"Sheet {number} is right. Press Enter when only the next keeper looks on. ")
            return
        terminal.ask("That is not the word. Press Enter to see the sheet again. ")
    raise SheetsAbandonedError(f"sheet {number} was not written down after {_TRIES} tries")


def sheet_text(number: int, of: int, words: Sequence[str], about: SheetSet) -> str:
    """One sheet as it is shown: numbered words in rows of four."""
    width = max(map(len, words)) + 1
    cells = [f"{place:2} {word:<{width}}" for place, word in enumerate(words, 1)]
    rows = ["  ".join(cells[start : start + _COLUMNS]).rstrip() for start in range(0, len(cells), _COLUMNS)]
    head = (
        f"BREAK-GLASS SHEET {number} of {of}   (any {about.threshold} are needed)\n"
        f"escrow token {about.token_serial}   made on {about.made_on}"
    )
    return "\n".join([head, "", *rows, ""])


def write_for_trying_out(path: Path, words: Sequence[str], about: SheetSet) -> None:
    """All sheets in one file, which says loudly what that is worth: for demos without people, and tests."""
    sheets = [sheet_text(number, len(words), share.split(), about) for number, share in enumerate(words, 1)]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("\n".join([_FOR_TRYING_OUT, *sheets]))
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


class ControllingTerminal:
    """The terminal that this process was started from."""

    def __init__(self, screen: IO[str], keyboard: IO[str]) -> None:
        self._screen = screen
        self._keyboard = keyboard

    def show(self, text: str) -> None:
        """Print to the terminal itself."""
        self._screen.write(text + "\n")
        self._screen.flush()

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        """Read a line; `hidden` switches the echo off, before anybody knows that something is to be typed."""
        with _no_echo(self._keyboard) if hidden else contextlib.nullcontext():
            self._screen.write(prompt)
            self._screen.flush()
            line = self._keyboard.readline()
        if hidden:
            self.show("")
        if not line:
            raise EOFError
        return line.removesuffix("\n")

    def clear(self) -> None:
        """Clear screen and scroll-back."""
        self._screen.write(_CLEAR)
        self._screen.flush()


@contextlib.contextmanager
def controlling_terminal() -> Generator[ControllingTerminal]:
    """Open /dev/tty. Raises ConfigurationError where there is none: words must not go to a pipe or log."""
    place = Path("/dev/tty")
    try:
        with place.open("w", encoding="utf-8") as screen, place.open(encoding="utf-8") as keyboard:
            yield ControllingTerminal(screen, keyboard)
    except OSError as error:
        raise ConfigurationError(
            f"there is no terminal to show the words on ({error.strerror})",
            remedy="Run it in a terminal, with the keepers of the sheets before it.",
        ) from error


@contextlib.contextmanager
def _no_echo(keyboard: IO[str]) -> Generator[None]:
    import termios  # here: this module is imported where there may be no terminal

    descriptor = keyboard.fileno()
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] = before[3] & ~termios.ECHO
    # FLUSH: what was typed ahead, with the words still on the screen, is no proof of anything.
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)

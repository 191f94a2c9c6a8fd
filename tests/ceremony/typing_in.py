"""vaultctl in a terminal of its own: what it shows is read, what it asks is answered, as keepers would."""

import os
import pty
import re
import select
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.rig.vault import REPOSITORY, Vault
from vault_service.ceremony.shares import combine

_PATIENCE_S = 60.0
_CLEAR = "\x1b[2J"
_QUESTION = re.compile(r"Sheet (\d+): type word (\d+) from the paper: $")
_SHEET = re.compile(r"SHEET (\d+) of.*?\n\n(.*?)\n\n", re.DOTALL)
_SHEET_IS_WHOLE = "is cleared. "
_OTHERS = ("go on: ", "> ", "is cleared. ", "looks on. ", "sheet again. ")


@dataclass
class Typed:
    """What was to be seen, how it ended, and what the keepers wrote down."""

    shown: str = ""
    code: int = -1
    papers: dict[int, list[str]] = field(default_factory=dict)

    @property
    def secret(self) -> bytes:
        return combine([" ".join(self.papers[number]) for number in (1, 2)])


def type_in_a_terminal(vault: Vault, command: Sequence[str], answers: Sequence[str]) -> Typed:
    """Run it; `answers`: to the first questions, in order. Later ones get Enter or a word of a sheet."""
    program = [sys.executable, "-m", "vault_service.cli", *command]
    return converse(program, {**vault.environment, "COLUMNS": "120"}, REPOSITORY, answers)


def converse(
    program: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    answers: Sequence[str],
    others: Mapping[str, str] | None = None,
) -> Typed:
    """The same with any program; `others`: by how a question ends, for those of no keeper."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(program[0], list(program), environment)
    typed, waiting, left = Typed(), "", list(answers)
    for new in _said(pid, terminal):
        typed.shown += new
        waiting += new
        if waiting.endswith(_SHEET_IS_WHOLE):  # what is read may end in the middle of a word
            sheet = _SHEET.search(waiting.rpartition(_CLEAR)[2])
            assert sheet is not None
            typed.papers[int(sheet[1])] = re.findall(r"\d+ ([a-z]+)", sheet[2])
        if _says_more(terminal):
            continue
        if question := _QUESTION.search(waiting):
            answer = typed.papers[int(question[1])][int(question[2]) - 1]
        elif waiting.endswith(_OTHERS):
            asks_for_words = waiting.endswith(("go on: ", "> "))
            answer = left.pop(0) if left and asks_for_words else ""
        elif found := [said for end, said in (others or {}).items() if waiting.endswith(end)]:
            answer = found[0]
        else:
            continue
        waiting = ""
        os.write(terminal, answer.encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    typed.code = os.waitstatus_to_exitcode(status)
    return typed


def answer_in_a_terminal(vault: Vault, command: Sequence[str], answers: Sequence[str]) -> Typed:
    """Run it; each line that ends with a colon is a question, answered in order."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        program = [sys.executable, "-m", "vault_service.cli", *command]
        os.execve(sys.executable, program, {**vault.environment, "COLUMNS": "120"})
    typed, waiting, left = Typed(), "", list(answers)
    for new in _said(pid, terminal):
        typed.shown += new
        waiting += new
        if left and waiting.rpartition("\n")[2].rstrip().endswith((":", "]")) and not _says_more(terminal):
            waiting = ""
            os.write(terminal, left.pop(0).encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    typed.code = os.waitstatus_to_exitcode(status)
    return typed


def _said(pid: int, terminal: int) -> Iterator[str]:
    """What it shows, until it ends; or is ended, since it waits for an answer that nobody knows."""
    while select.select([terminal], [], [], _PATIENCE_S)[0]:
        try:
            new = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return
        yield new.decode(errors="replace").replace("\r\n", "\n")
    os.kill(pid, signal.SIGKILL)
    yield f"\n(It said no more for {_PATIENCE_S} s, and was killed.)\n"


def _says_more(terminal: int) -> bool:
    """What was read may end in the middle of a line, with what looks like the end of a question."""
    return bool(select.select([terminal], [], [], 0.05)[0])

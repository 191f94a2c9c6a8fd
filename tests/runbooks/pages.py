"""The commands of a page: its ```sh blocks, as they stand."""

import re
from pathlib import Path

from tests.rig.vault import REPOSITORY

DOCS = REPOSITORY / "docs"
RUNBOOKS = DOCS / "runbooks"
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, ...]]:
    """Each block's commands; one that goes on over several lines, or has its input with it, is one."""
    return [_commands(body) for _, body in _BLOCK.findall(page.read_text("utf-8"))]


def _commands(body: str) -> tuple[str, ...]:
    commands: list[str] = []
    lines = iter(body.splitlines())
    for line in lines:
        command = line.strip()
        while command.endswith("\\"):
            command += "\n" + next(lines)
        if here := re.search(r"<<'(\w+)'", command):
            for more in lines:
                command += "\n" + more
                if more.strip() == here[1]:
                    break
        if command and not command.startswith("#"):
            commands.append(command)
    return tuple(commands)

"""How officers say who they are: a key file; its passphrase is in a file or typed, never an argument."""

import contextlib
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from vault_service.bootstrap.recovery import officers_host
from vault_service.ceremony.officer_key import load_officer_key
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.process import harden
from vault_service.recovery.acting import ActingWithKey, act
from vault_service.recovery.parts import RecoveryParts
from vault_service.settings import load_settings, private_file, read_secret

KeyOption = Annotated[Path, typer.Option("--key", metavar="FILE", help="Your officer's key file.")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Its passphrase; asked for when left out."),
]


class MissingAnswerError(InvalidInputError):
    """Something has to be asked for, and nobody can be asked."""

    code = "request.missing_answer"
    remedy = "Run it in a terminal, or give the option."


@dataclass(frozen=True, slots=True)
class Desk:
    """An officer at an officers' host."""

    parts: RecoveryParts
    acting: ActingWithKey


@contextlib.contextmanager
def officers_desk(key: Path, passphrase_file: Path | None) -> Generator[Desk]:
    """Open the key file and begin to act. Raises OfficerKeyFileError, ManifestError, ConfigurationError."""
    harden()  # the key and a share are in this process
    settings = load_settings()
    opened, pinned = load_officer_key(key, passphrase_of(key, passphrase_file))
    with officers_host(settings) as parts:
        yield Desk(parts, act(parts, opened, pinned))


def passphrase_of(key: Path, file: Path | None) -> str:
    """From its file, or typed; not asked for when the key file cannot be used. Raises ConfigurationError."""
    if not key.is_file():
        raise ConfigurationError(f"{key}: there is no such file", remedy="Name your key file: --key FILE.")
    if key.name.endswith(".public.json"):  # which others may read, and private_file would call stolen
        raise ConfigurationError(
            f"{key} is the part to hand in, without a secret",
            remedy="Name the key file beside it: --key FILE.",
        )
    private_file(key)
    if file is not None:
        return read_secret(file)
    return ask(f"Passphrase of {key}", "--passphrase-file", hidden=True)


def ask(question: str, option: str, *, hidden: bool = False) -> str:
    """Ask on the terminal. Raises MissingAnswerError, naming the option, where there is none."""
    if not sys.stdin.isatty():
        raise MissingAnswerError(option, "left out, and there is no terminal to ask on")
    answer: str = typer.prompt(question, hide_input=hidden, err=True)
    return answer


def parse_id(text: str, what: str) -> UUID:
    """Raises InvalidInputError."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInputError(what, "not an id, such as 01a20bd4-b9cf-720c-91f9-0159d46a5734") from None

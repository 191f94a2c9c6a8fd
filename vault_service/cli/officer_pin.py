"""`vaultctl officer pin`: a key file that was made before genesis comes to believe this vault."""

import re
from typing import Annotated

import typer

from vault_service.ceremony.officer_key import pin_officer_key
from vault_service.cli.officer_options import KeyOption, PassphraseOption, ask, passphrase_of
from vault_service.cli.output import JsonOption, note, say
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.process import harden
from vault_service.settings import load_settings

_TYPED = 16  # hex digits: too many for anybody to find another manifest that ends like this one


class FingerprintDiffersError(ConfigurationError):
    """What the officer was read is not what this host believes."""

    code = "officer.fingerprint_differs"
    remedy = (
        "Pin nothing. Have it read to you again; if it still differs, do not believe this host's vault.toml."
    )


def register(group: typer.Typer) -> None:
    """Add it to the group."""
    group.command("pin")(pin)


def pin(
    key: KeyOption,
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The whole of it, from your own paper; then nothing is asked."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a key file that you made before genesis believe this vault, and no other, for good.

    At genesis the vault's fingerprint is read out. This shows the one that the host's vault.toml has, but
    for its end, which you type as it was read to you.

    \b
    Example:
      vaultctl officer pin --key ana.key
    """
    harden()
    pinned = (
        whole(fingerprint) if fingerprint is not None else _read_out(load_settings().manifest_fingerprint)
    )
    opened, is_new = pin_officer_key(key, passphrase_of(key, passphrase_file), fingerprint=pinned)
    done = (
        "pins this vault now. Replace its copies by it: they pin none"
        if is_new
        else "pins this vault already"
    )
    say(
        {
            "officer_id": str(opened.officer), "key_file": str(key), "manifest_fingerprint": pinned,
            "added": is_new,
        },
        as_json=as_json, text=f"{key} {done}.",
    )  # fmt: skip


def whole(text: str) -> str:
    """A manifest's fingerprint, SHA-256 in hex, however it is spaced. Raises InvalidInputError."""
    digits = _digits(text)
    if re.fullmatch("[0-9a-f]{64}", digits) is None:
        raise InvalidInputError("--fingerprint", "64 hexadecimal digits: vaultctl init printed them")
    return digits


def _read_out(believed: str) -> str:
    """What this host believes, once the officer has typed its end. Raises FingerprintDiffersError.

    The end is not shown: whoever altered vault.toml would have it copied from the screen.
    """
    if not believed:
        raise ConfigurationError(
            "this host's vault.toml has no manifest_fingerprint",
            remedy="Have the operator pin what vaultctl init printed, or name all of it: --fingerprint HEX.",
        )
    note(f"The fingerprint that this host believes:\n  {_grouped(believed[:-_TYPED])}  …")
    typed = _digits(ask(f"Its last {_TYPED} digits, as they were read to you", "--fingerprint"))
    if len(typed) < _TYPED or not believed.endswith(typed):
        raise FingerprintDiffersError("what you typed is not how this host's fingerprint ends")
    return believed


def _digits(text: str) -> str:
    return "".join(text.split()).lower()


def _grouped(digits: str) -> str:
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))

"""`vaultctl app`: who may call the API. Through the key service's operator socket."""

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from vault_service.bootstrap.connections import operator_client
from vault_service.cli.output import JsonOption, note, say, say_rows
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.kms.protocol.messages import (
    AppKeyIssued,
    Apps,
    CreateApp,
    Done,
    ListApps,
    RevokeApp,
    RotateAppKey,
)
from vault_service.settings import load_settings

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST_OVERLAP_S = 90 * 86_400  # the key service's own limit
_NAME = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}"

TenantOption = Annotated[str, typer.Option(help="Whose app it is.")]
KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", help="Write the key here (mode 0600) and do not show it.")
]
NameArgument = Annotated[str, typer.Argument(help="The app's name.")]


def register(app: typer.Typer) -> None:
    """Add `app create`, `list`, `rotate` and `revoke`."""
    commands = typer.Typer(
        name="app",
        no_args_is_help=True,
        help="Register apps that may call the API, and change or revoke their keys.",
    )
    commands.command("create")(create)
    commands.command("list")(list_all)
    commands.command("rotate")(rotate)
    commands.command("revoke")(revoke)
    app.add_typer(commands)


def create(
    name: NameArgument,
    tenant: TenantOption = "default",
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register an app; its key is shown once. Example: vaultctl app create shop --key-file shop.key"""
    request = CreateApp(_named(name), _named(tenant))
    _issue(request, key_file, {"app_name": name, "tenant": tenant}, as_json=as_json)


def list_all(as_json: JsonOption = False) -> None:
    """List the apps of all tenants, without keys. Example: vaultctl app list"""
    with operator_client(load_settings()) as kms:
        apps = kms.call(ListApps(), Apps).apps
    rows = [
        {
            "name": app.app_name, "tenant": app.tenant, "valid_keys": app.keys, "revoked": app.revoked,
            "created_at": app.created_at, "app_id": str(app.app_id),
        }
        for app in apps
    ]  # fmt: skip
    say_rows(rows, as_json=as_json, empty="There is no app yet: vaultctl app create NAME")


def rotate(
    name: NameArgument,
    tenant: TenantOption = "default",
    overlap: Annotated[str, typer.Option(help="How long older keys go on: 30m, 24h, 7d, 0s.")] = "24h",
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an app a new key; older ones end after the overlap. Example: vaultctl app rotate shop"""
    seconds = parse_duration(overlap)
    request = RotateAppKey(_named(name), seconds, _named(tenant))
    about = {"app_name": name, "tenant": tenant, "older_keys_end_in_s": seconds}
    _issue(request, key_file, about, as_json=as_json)


def revoke(name: NameArgument, tenant: TenantOption = "default", as_json: JsonOption = False) -> None:
    """End all keys of an app at once. Example: vaultctl app revoke shop

    Users' sessions that it began go on until they expire.
    """
    request = RevokeApp(_named(name), _named(tenant))
    with operator_client(load_settings()) as kms:
        kms.call(request, Done)
    say(
        {"app_name": name, "tenant": tenant, "revoked": True},
        as_json=as_json, text=f"{name} is revoked: its keys open nothing any more.",
    )  # fmt: skip


def parse_duration(text: str) -> int:
    """Seconds of `90s`, `30m`, `24h` or `7d`. Raises InvalidInputError for others and above 90 days."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None:
        raise InvalidInputError("--overlap", "not a number with s, m, h or d, such as 24h")
    seconds = int(found.group(1)) * _SECONDS[found.group(2)]
    if seconds > LONGEST_OVERLAP_S:
        raise InvalidInputError("--overlap", "longer than 90 days")
    return seconds


def _named(name: str) -> str:
    if re.fullmatch(_NAME, name) is None:
        raise InvalidInputError("name", "1 to 64 letters, digits, spaces, dots, dashes and underscores")
    return name


def _issue(
    request: CreateApp | RotateAppKey, key_file: Path | None, about: Mapping[str, object], *, as_json: bool
) -> None:
    with operator_client(load_settings()) as kms:
        if key_file is None:
            issued = kms.call(request, AppKeyIssued)
            if not as_json:
                note("The key is shown this once; keep it like a password.")
            text = issued.app_key
        else:
            with new_private_file(key_file) as fd:
                issued = kms.call(request, AppKeyIssued)
                os.write(fd, issued.app_key.encode() + b"\n")
                os.fsync(fd)
            text = f"The key is in {key_file}."
    key = {"app_key": issued.app_key} if key_file is None else {"key_file": str(key_file)}
    say({"app_id": str(issued.app_id), **about, **key}, as_json=as_json, text=text)


@contextmanager
def new_private_file(path: Path) -> Generator[int, None, None]:
    """A file that nobody else can read, made before the key so that no key is lost to a wrong path.

    It is removed when the block fails. Raises ConfigurationError when it exists or cannot be made.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", remedy="Name a new file.") from error
    try:
        yield fd
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)

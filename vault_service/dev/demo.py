"""The demo app: its key, and lines to try."""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from vault_service.dev.home import Home
from vault_service.domain.errors import InvalidInputError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import AppKeyIssued, CreateApp, RotateAppKey

_NAME = "demo"
_PASSPHRASE = "violet anchor teapot meadow"  # noqa: S105  # of an invented person, printed for trying out
_NEW_PASSPHRASE = "copper lantern under the bridge"  # noqa: S105  # as above
_JSON = "-H 'Content-Type: application/json'"


def demo_app_key(home: Home, kms_url: str) -> str:
    """The demo app's key: from its file, or from the key service, once. Raises VaultError."""
    if home.app_key.exists():
        return home.app_key.read_text("ascii").strip()
    kms = KmsClient(kms_url)
    try:
        try:
            key = kms.call(CreateApp(_NAME), AppKeyIssued).app_key
        except InvalidInputError:  # it exists, and a crash came before its key was written here
            key = kms.call(RotateAppKey(_NAME, overlap_s=0), AppKeyIssued).app_key
    finally:
        kms.close()
    write_private(home.app_key, key + "\n")
    return key


def write_private(path: Path, content: str) -> None:
    """Write a file (0600) whole or not at all; whoever reads it never sees half of it."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def write_ready(home: Home, addresses: Mapping[str, str], *, app_key: str, pids: Mapping[str, int]) -> None:
    """Say that the vault can be used, and how. `addresses`: api_url, console_url and so on."""
    document = {**addresses, "app_key": app_key, "pids": dict(pids)}
    write_private(home.ready, json.dumps(document, indent=2) + "\n")


def officers_to_try(home: Home, api_url: str, app_key: str, login: str) -> str:
    """Who the demo officers are, how little that is worth, and how to try a recovery of `login`."""
    folder = home.officers
    keys = "\n".join(f"  {path.stem:6} {path}" for path in sorted(folder.glob("*.key")))
    passphrase = folder / "passphrase-FOR-TRYING-OUT.txt"
    vaultctl = Path(sys.executable).with_name("vaultctl")  # nobody has put it on the PATH
    approve = f"{vaultctl} recovery approve $CASE --passphrase-file {passphrase} --key {folder}"
    wanted = json.dumps({"login": login, "new_password": _NEW_PASSPHRASE})
    ask = f"curl -s {api_url}/v1/recoveries {_app(app_key)} {_JSON} -d '{wanted}'"
    return "\n".join(
        (
            "!! THE DEMO OFFICERS ARE FOR TRYING OUT ONLY: their keys, their passphrase and the break-glass",
            "!! words lie side by side on this machine. For people's real data: vaultctl init --ceremony.",
            keys,
            f"  passphrase of all: {passphrase}",
            "",
            "Try a recovery: ask for it as an app does, with a new password. It gives six words: as two",
            "officers, type them and the login when you are asked. Then the new password signs in:",
            f"  export VAULT_HOME={home.path}",
            f"  CASE=$({ask} | tee /dev/stderr | {_extract('case_id')})",
            f"  {approve}/ana.key",
            f"  {approve}/bob.key",
            "In a browser instead, as two officers with passkeys: make demo-officers, in another terminal.",
        )
    )


def login_to_try() -> str:
    """One of its own for each start, so that the lines work each time."""
    return f"ana-{secrets.token_hex(3)}@example.org"


def lines_to_try(api_url: str, app_key: str, login: str) -> str:
    """Sign up, sign in, store: three lines for a shell."""
    person = json.dumps({"login": login, "password": _PASSPHRASE})
    record = json.dumps(
        {"collection": "contact", "fields": {"full_name": "Ana Silva", "phone": "+351 912 345 678"}}
    )
    app = _app(app_key)
    return "\n".join(
        (
            f"curl -s {api_url}/v1/users {app} {_JSON} -d '{person}'",
            f"TOKEN=$(curl -s {api_url}/v1/sessions {app} {_JSON} -d '{person}' | {_extract('token')})",
            f"curl -s {api_url}/v1/records -H \"Authorization: Bearer $TOKEN\" {_JSON} -d '{record}'",
        )
    )


def _app(app_key: str) -> str:
    return f"-H 'Authorization: Bearer {app_key}'"


def _extract(member: str) -> str:
    """One text of an answer, with what every machine has."""
    return rf"""sed -n 's/.*"{member}": *"\([^"]*\)".*/\1/p'"""

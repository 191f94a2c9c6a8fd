"""`vaultctl rotate data-key`, `app-key` and `argon2-cost`: what is no generation of the manifest."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from vault_service.bootstrap.connections import operator_client
from vault_service.cli import app as apps
from vault_service.cli.app import KeyFileOption, NameArgument, TenantOption
from vault_service.cli.officer_options import parse_id
from vault_service.cli.output import EXIT_FINDING, JsonOption, say
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.kms.protocol.rotation_messages import (
    CountOldCosts,
    DataKeysDemanded,
    DemandDataKeys,
    OldCosts,
)
from vault_service.policy.load import load_policies
from vault_service.settings import load_settings

_AT_ONCE = 1000  # users in one call


def register(group: typer.Typer) -> None:
    """Add them to the group."""
    group.command("data-key")(data_key)
    group.command("app-key")(app_key)
    group.command("argon2-cost")(argon2_cost)


def data_key(
    user: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="Whose; may be repeated.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Users' ids, one in a line.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have users' data keys rotated at their next sign-in, since that takes their password.

    The user gets a new data key and every other session of theirs ends; their records are re-encrypted in
    batches, beginning before the sign-in is answered; then the old key's wraps go. Until somebody signs in,
    nothing changes for them. Exits 1 if an id is no user's.

    \b
    Examples:
      vaultctl rotate data-key --user 01a20bd4-b9cf-720c-91f9-0159d46a5734
      vaultctl rotate data-key --file users.txt
    """
    users = [parse_id(each, "--user") for each in user or ()] + (_read_ids(file) if file else [])
    if not users:
        raise InvalidInputError("--user", "say whose: --user ID or --file FILE")
    demanded, unknown = 0, list[UUID]()
    with operator_client(load_settings()) as kms:
        for begin in range(0, len(users), _AT_ONCE):
            request = DemandDataKeys(tuple(users[begin : begin + _AT_ONCE]))
            done = kms.call(request, DataKeysDemanded)
            demanded += done.demanded
            unknown += done.unknown
    text = (
        f"{demanded:,} users get a new data key at their next sign-in.\n"
        "Nothing changes for anybody before; to ask again changes nothing either."
    )
    if unknown:
        text += f"\n{len(unknown):,} ids are no user's:\n" + "\n".join(f"  {each}" for each in unknown[:100])
    document = {"demanded": demanded, "unknown": [str(each) for each in unknown]}
    say(document, as_json=as_json, text=text)
    if unknown:
        raise typer.Exit(EXIT_FINDING)


def app_key(
    name: NameArgument,
    tenant: TenantOption = "default",
    overlap: Annotated[str, typer.Option(help="How long older keys go on: 30m, 24h, 7d, 0s.")] = "24h",
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an app a new key; older ones end after the overlap. The same as vaultctl app rotate.

    \b
    Example:
      vaultctl rotate app-key shop --key-file shop-2.key
    """
    apps.rotate(name, tenant, overlap, key_file, as_json=as_json)


def argon2_cost(as_json: JsonOption = False) -> None:
    """Show how many passwords are still wrapped at a lower cost than the policy demands. Changes nothing.

    There is no command that raises them: it takes each user's password, so each sign-in raises one.

    \b
    Example:
      vaultctl rotate argon2-cost
    """
    settings = load_settings()
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    with operator_client(settings) as kms:
        costs = kms.call(CountOldCosts(), OldCosts)
    day = policies.passwords.argon2id.calibrated
    text = (
        f"The policy's cost is {costs.memory_kib:,} KiB and {costs.iterations} passes; "
        f"calibrated {'on ' + day.isoformat() if day else 'nobody knows when'}.\n"
        f"{costs.below:,} of {costs.credentials:,} passwords are below it.\n"
        "Each is raised when its user signs in next; nobody is asked for anything, and no session ends.\n"
        "To find the cost that the key service's host affords now: vaultctl policy calibrate\n"
        "Put what it prints into policies/passwords.toml there, then restart the key service."
    )
    document = {
        "memory_kib": costs.memory_kib, "iterations": costs.iterations, "below": costs.below,
        "credentials": costs.credentials, "calibrated": None if day is None else day.isoformat(),
    }  # fmt: skip
    say(document, as_json=as_json, text=text)


def _read_ids(path: Path) -> list[UUID]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read", remedy="Name a file of ids.") from error
    return [parse_id(line.strip(), f"{path}: line {n}") for n, line in enumerate(lines, 1) if line.strip()]

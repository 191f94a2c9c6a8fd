"""`vaultctl migrate` and `vaultctl init-server`: the schema, and the roles it is made for."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vault_service.cli.output import JsonOption, say
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.settings import Database, Settings, load_settings, read_secret
from vault_service.storage import migrate as migrations
from vault_service.storage.roles import LAYOUTS, SIDES, Side, as_role, create_server_roles


class Choice(StrEnum):
    """Which database."""

    KEYS = "keys"
    RECORDS = "records"
    BOTH = "both"

    @property
    def sides(self) -> tuple[Side, ...]:
        """The databases that are meant."""
        return tuple(side for side in SIDES if self.value in {side, "both"})


def known_database(settings: Settings, side: Side) -> Database:
    """A database of one side as any process of this host knows it. Raises ConfigurationError."""
    sections = {
        "keys": (settings.kms, settings.worker_keys),
        "records": (settings.api, settings.worker_records),
    }
    for section in sections[side]:
        if section is not None:
            return section.database
    raise ConfigurationError(
        f"no process of this host uses the {side} database",
        remedy=f"Name it: --side {side} --dsn-file F --password-file F.",
    )


def migrator_access(side: Side, dsn_file: Path | None, password_file: Path | None) -> tuple[str, str]:
    """DSN and password of one side's migrator; from the settings where no file is named."""
    role = LAYOUTS[side].migrator
    if dsn_file is not None and password_file is not None:
        return as_role(read_secret(dsn_file), role), read_secret(password_file)
    database = known_database(load_settings(), side)
    dsn = read_secret(dsn_file) if dsn_file is not None else database.dsn
    beside = database.password_file.with_name(f"{role}.password")  # where init-server puts it
    return as_role(dsn, role), read_secret(password_file or beside)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("migrate")(migrate)
    app.command("init-server")(init_server)


def migrate(
    side: Annotated[Choice, typer.Option(help="Which database.")] = Choice.BOTH,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be applied.")] = False,
    dsn_file: Annotated[
        Path | None, typer.Option(help="File (0600) with the DSN; by default as vault.toml has it.")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="File (0600) with the migrator's password; by default beside the other roles'."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the databases' schema up to date; refuses when an applied file was edited.

    Each file is one transaction. One that cannot have its lock within seconds gives up rather
    than hold up the service; run it again in a quieter hour.

    \b
    Examples:
        vaultctl migrate --dry-run
        vaultctl migrate --side keys --dsn-file keys.dsn --password-file keys.pw
    """
    if side is Choice.BOTH and (dsn_file is not None or password_file is not None):
        raise InvalidInputError("--side", "name one side for the files that you name")
    done: dict[str, list[str]] = {
        each: list(migrations.migrate(*migrator_access(each, dsn_file, password_file), each, dry_run=dry_run))
        for each in side.sides
    }
    verb = "would be applied" if dry_run else "applied"
    text = "\n".join(f"{each}: {', '.join(names) or 'nothing'} {verb}" for each, names in done.items())
    say({"dry_run": dry_run, **done}, as_json=as_json, text=text)


def init_server(
    side: Annotated[Choice, typer.Option(help="Which database this server is for; both, for trying out.")],
    admin_dsn_file: Annotated[Path, typer.Option(help="File (0600) with an administrator's DSN.")],
    passwords_dir: Annotated[Path, typer.Option(help="Folder for one password file (0600) a role.")],
    rotate: Annotated[bool, typer.Option("--rotate", help="Replace the passwords that there are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a server's database, its owner without login, its migrator and one login a process.

    May be repeated. Afterwards carry each password file to the one host whose process needs it;
    the administrator's DSN is not needed again.

    \b
    Example:
        vaultctl init-server --side keys --admin-dsn-file admin.dsn --passwords-dir pw
    """
    dsn = read_secret(admin_dsn_file)
    files = {
        role: str(path)
        for each in side.sides
        for role, path in create_server_roles(dsn, each, passwords_dir, rotate=rotate).items()
    }
    say(files, as_json=as_json)

"""`vaultctl init`: make a vault real, once; here with demo officers for trying out."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vault_service.bootstrap.connections import connect
from vault_service.ceremony.genesis import Genesis, run_genesis
from vault_service.ceremony.genesis_plan import GenesisPlan, NewToken, with_key_files
from vault_service.ceremony.sheets import write_for_trying_out
from vault_service.cli import init_ceremony
from vault_service.cli.migrate import Choice, init_server
from vault_service.cli.output import say
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.process import harden
from vault_service.settings import Settings, load_settings, vault_home

DEMO_OFFICERS = ("ana", "bob", "cleo")
DEMO_PASSPHRASE = "demo officers are for trying out"  # noqa: S105  # said so wherever it is used
DEMO_PASSPHRASE_FILE = "passphrase-FOR-TRYING-OUT.txt"  # noqa: S105  # a file's name
DEMO_SHEETS = "break-glass-sheets-FOR-TRYING-OUT.txt"


def plan_for_home(settings: Settings, home: Path) -> GenesisPlan:
    """A genesis in $VAULT_HOME, with tokens as scripts/softhsm_setup.sh leaves them."""
    kms = settings.kms
    if kms is None or kms.token.pin_file is None:
        raise ConfigurationError(
            "genesis needs the [kms] section with its token and pin_file", remedy="Run it on the kms host."
        )
    tokens = home / "tokens"

    def token(name: str, state: Path) -> NewToken:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = TokenPlace(kms.token.module, f"vault-{name}", tokens / name / "softhsm2.conf", state)
        return NewToken(place, tokens / name / "transport-so-pin")

    return GenesisPlan(
        online=token("online", kms.token.state_dir),
        escrow=token("escrow", home / "ceremony"),
        online_pin_file=kms.token.pin_file,
        ceremony_dir=home / "ceremony",
        officers_dir=home / "demo-officers",
        officers=with_key_files(DEMO_OFFICERS, DEMO_PASSPHRASE),
        hand_out=partial(write_for_trying_out, home / "demo-officers" / DEMO_SHEETS),
    )


def init_home(settings: Settings, home: Path) -> Genesis:
    """Run genesis for $VAULT_HOME. Raises GenesisRefusedError when it has been done."""
    if settings.kms is None:
        raise ConfigurationError("there is no [kms] section", remedy="Run it on the kms host.")
    db = connect(settings.kms.database, size=2, name="genesis")
    try:
        _write_demo_passphrase(home / "demo-officers" / DEMO_PASSPHRASE_FILE)
        return run_genesis(plan_for_home(settings, home), db)
    finally:
        db.close()


def _write_demo_passphrase(path: Path) -> None:
    """So that commands that take --passphrase-file can be tried; it is no secret, and the name says so."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(DEMO_PASSPHRASE + "\n", "ascii")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("init")
    def init(
        show_so_pin: Annotated[
            bool, typer.Option(help="Print the online token's security officer PIN, once, for the safe.")
        ] = False,
        admin_dsn_file: Annotated[
            Path | None, typer.Option(help="Only prepare a database server, with this administrator's DSN.")
        ] = None,
        side: Annotated[Choice, typer.Option(help="Which database that server is for.")] = Choice.BOTH,
        passwords_dir: Annotated[
            Path | None, typer.Option(help="Where its roles' passwords go; by default $VAULT_HOME/secrets.")
        ] = None,
        ceremony: Annotated[
            bool, typer.Option("--ceremony", help="A real one: officers and words on paper, asked for here.")
        ] = False,
        plan: Annotated[
            Path | None, typer.Option("--plan", metavar="FILE", help="A real one, by a reviewed YAML file.")
        ] = None,
        dry: Annotated[
            bool, typer.Option("--dry-run", help="Check the plan, say what would happen, change nothing.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Make keys, officers and the first manifest, once; split the escrow PIN among them.

        With --plan or --ceremony for people's real data; with neither there are three demo officers,
        for trying out only.

        With --admin-dsn-file it prepares a database server instead, as `vaultctl init-server`
        does; that comes first, then `vaultctl migrate`, then this without it.

        \b
        Afterwards the escrow token's PIN exists only as the officers' shares. Put the
        printed fingerprint into vault.toml of every host:
            manifest_fingerprint = "…"

        \b
        Examples:
            vaultctl init --side keys --admin-dsn-file admin.dsn --passwords-dir pw
            VAULT_HOME=/var/lib/vault vaultctl init
            vaultctl init --plan genesis.yaml --dry-run
            vaultctl init --plan genesis.yaml
        """
        if admin_dsn_file is not None:
            init_server(side, admin_dsn_file, passwords_dir or vault_home() / "secrets", as_json=as_json)
            return
        if dry and plan is None:
            raise InvalidInputError("--dry-run", "it needs --plan FILE")
        harden()  # for a moment this process holds the whole secrets
        if plan is not None and dry:
            init_ceremony.dry_run(load_settings(), plan, as_json=as_json)
            return
        if plan is not None:
            init_ceremony.by_plan(load_settings(), plan, as_json=as_json)
            return
        if ceremony:
            init_ceremony.interactively(load_settings(), vault_home(), as_json=as_json)
            return
        genesis = init_home(load_settings(), vault_home())
        answer = {"manifest_fingerprint": genesis.fingerprint}
        if show_so_pin:
            answer["online_so_pin"] = genesis.online_so_pin
        say(answer, as_json=as_json)

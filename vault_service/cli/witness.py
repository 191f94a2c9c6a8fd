"""`vaultctl witness`: cosign the logs' checkpoints on a host of its own.

It needs no vault.toml, no database and no token: public keys of the logs, a key and a state file.
"""

import os
from pathlib import Path
from typing import Annotated

import structlog
import typer

from vault_service.cli.output import JsonOption, say
from vault_service.domain.errors import InvalidInputError
from vault_service.logs import configure_logging
from vault_service.process import harden, until_told_to_stop
from vault_service.tlog.errors import NoteError
from vault_service.tlog.keys import VerifierKey
from vault_service.witness.key import CosigningKey

_log = structlog.get_logger("witness")


def register(app: typer.Typer) -> None:
    """Add `witness keygen` and `witness serve`."""
    commands = typer.Typer(
        name="witness",
        no_args_is_help=True,
        help="Watch the audit logs from a third host: cosign a checkpoint only if it appends to the last.",
    )
    commands.command("keygen")(keygen)
    commands.command("serve")(serve)
    app.add_typer(commands)


def keygen(
    name: Annotated[str, typer.Option(help="What signatures carry, such as witness.example.org/w1.")],
    key: Annotated[Path, typer.Option(help="The file to make, mode 0600; never overwritten.")],
    as_json: JsonOption = False,
) -> None:
    """Make a witness's key and print its verifier key, which is public.

    \b
    Example:
        vaultctl witness keygen --name witness.example.org/w1 --key /etc/witness/key
    """
    made = CosigningKey.generate(name)
    made.save(key)
    vkey = made.verifier().format()
    say({"vkey": vkey}, as_json=as_json, text=vkey)


def serve(
    key: Annotated[Path, typer.Option(help="The witness's key, as keygen made it.")],
    state: Annotated[Path, typer.Option(help="What was cosigned last; made at the first start.")],
    log: Annotated[
        list[str], typer.Option(help="Verifier key of a log to watch; may be given several times.")
    ],
    listen: Annotated[list[str], typer.Option(help="unix:/path or host:port; may be given several times.")],
    tls_certificate: Annotated[
        Path | None, typer.Option(help="For host:port; without it: loopback only.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key, mode 0600.")] = None,
    peer_uid: Annotated[
        list[int] | None,
        typer.Option(help="User ids that may use unix:/path; by default this process's own."),
    ] = None,
) -> None:
    """Cosign checkpoints until SIGTERM (C2SP tlog-witness: POST /add-checkpoint, GET /healthz).

    \b
    Example:
        vaultctl witness serve --key /etc/witness/key --state /var/lib/witness/state --listen 0.0.0.0:8475 \\
          --tls-certificate /etc/witness/tls.pem --tls-key /etc/witness/tls.key \\
          --log "$VKEY_KEYS" --log "$VKEY_RECORDS"
    """
    from vault_service.settings import private_file
    from vault_service.witness.server import Listener, ServerTls, TcpListener, UnixListener, WitnessServer
    from vault_service.witness.witness import open_witness

    if (tls_certificate is None) != (tls_key is None):
        raise InvalidInputError("--tls-certificate", "goes with --tls-key")
    tls = None
    if tls_certificate is not None and tls_key is not None:
        tls = ServerTls(tls_certificate, private_file(tls_key))
    uids = frozenset(peer_uid or (os.getuid(),))

    def listener(address: str) -> Listener:
        if address.startswith("unix:"):
            return UnixListener(Path(address.removeprefix("unix:")), uids)
        host, _, port = address.rpartition(":")
        if not host or not (port.isascii() and port.isdigit()):
            raise InvalidInputError("--listen", "is neither unix:/path nor host:port")
        return TcpListener(host.removeprefix("[").removesuffix("]"), int(port), tls)

    listeners = [listener(each) for each in listen]
    logs = [_log_key(each) for each in log]
    configure_logging("info")
    harden()  # the cosigning key is in this process's memory
    witness = open_witness(key, state, logs)
    server = WitnessServer(witness, listeners)
    with until_told_to_stop() as stop:
        server.start()
        _log.info("witness.listening", n=len(listeners))
        stop.wait()
    server.stop()
    witness.close()


def _log_key(vkey: str) -> VerifierKey:
    try:
        return VerifierKey.parse(vkey)
    except NoteError as error:
        raise InvalidInputError("--log", error.detail) from error

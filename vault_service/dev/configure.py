"""Write vault.toml for a whole vault on one machine. No secret stands in it, only paths of files."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import vault_service
from vault_service.dev.cluster import PORT
from vault_service.dev.home import Home
from vault_service.dev.users import Users
from vault_service.settings import (
    Api,
    Audit,
    Ceremony,
    Console,
    Cosigner,
    Database,
    Kms,
    KmsClient,
    KmsListener,
    RecordsWorker,
    Recovery,
    Token,
    Witness,
    WitnessListener,
    Worker,
)

Toml: TypeAlias = "str | int | float | bool | list[Toml] | dict[str, Toml]"

_DEMO_REGAIN_WAIT_S = 2
CHECKOUT = Path(vault_service.__file__).resolve().parents[1]
POLICIES = CHECKOUT / "policies"


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports, all on loopback."""

    api: int
    console: int
    metrics: int
    console_metrics: int

    @property
    def console_origin(self) -> str:
        """A name: passkeys are not made for IP addresses."""
        return f"http://localhost:{self.console}"

    @property
    def page_origin(self) -> str:
        """Of the user's page, on the API's host."""
        return f"http://localhost:{self.api}"


@dataclass(frozen=True, slots=True)
class Cosigning:
    """The records side's witness, once genesis has made the keys of the logs that it watches."""

    vkey: str  # its own
    logs: tuple[str, ...]  # verifier keys of both logs


def kms_socket(home: Home, caller: str) -> Path:
    """Where one caller reaches the key service."""
    return home.kms_sockets / f"kms-{caller.replace('_', '-')}.sock"


def write_settings(
    home: Home,
    users: Users,
    ports: Ports,
    *,
    module: Path,
    fingerprint: str,
    cosigning: Cosigning | None = None,
    policies: Path = POLICIES,
) -> None:
    """Write the file anew: ports and socket paths may differ from those of the last run."""
    sections = {
        "kms": Kms(
            listeners=(
                KmsListener(caller="api", unix=kms_socket(home, "api"), peer_uids=(users.api.uid,)),
                KmsListener(
                    caller="worker_keys",
                    unix=kms_socket(home, "worker_keys"),
                    peer_uids=(users.worker_keys.uid,),
                ),
                KmsListener(
                    caller="worker_records",
                    unix=kms_socket(home, "worker_records"),
                    peer_uids=(users.worker_records.uid,),
                ),
                KmsListener(caller="operator", unix=kms_socket(home, "operator"), peer_uids=(os.geteuid(),)),
                KmsListener(
                    caller="console",  # vaultctl recovery as well, which the operator runs
                    unix=kms_socket(home, "console"),
                    peer_uids=tuple(dict.fromkeys((users.console.uid, os.geteuid()))),
                ),
                KmsListener(
                    caller="ceremony", unix=kms_socket(home, "ceremony"), peer_uids=(users.ceremony.uid,)
                ),
            ),
            database=_database(home, "keys", "vault_kms"),
            token=Token(
                module=module,
                label="vault-online",
                pin_file=home.token_secrets / "online-pin",
                softhsm2_conf=home.tokens / "online" / "softhsm2.conf",
                state_dir=home.state("kms"),
            ),
            state_dir=home.state("kms"),
        ),
        "api": Api(
            port=ports.api,
            metrics_port=ports.metrics,
            database=_database(home, "records", "vault_api"),
            kms=_client(home, "api"),
            user_page_origin=ports.page_origin,
            user_page_app_key=home.page_app_key,
        ),
        "worker_keys": _worker(home, "worker_keys", "keys"),
        "worker_records": _records_worker(home, users, cosigning),
        "audit": Audit(keys=auditor_database(home, "keys"), records=auditor_database(home, "records")),
        "operator": _client(home, "operator"),
        "recovery": Recovery(
            database=_database(home, "keys", "vault_recovery"),
            kms=_client(home, "console"),
            state_dir=home.state("recovery"),
        ),
        "console": Console(
            origin=ports.console_origin,
            port=ports.console,
            metrics_port=ports.console_metrics,
            database=_database(home, "keys", "vault_recovery"),
            kms=_client(home, "console"),
            state_dir=home.state("console"),
            audit_keys=auditor_database(home, "keys"),
            audit_records=auditor_database(home, "records"),
        ),
        "ceremony": Ceremony(
            database=_database(home, "keys", "vault_ceremony"),
            kms=_client(home, "ceremony"),
            token=Token(
                module=module,
                label="vault-escrow",
                softhsm2_conf=home.tokens / "escrow" / "softhsm2.conf",
                state_dir=home.ceremony,
            ),
            state_dir=home.ceremony,
            records=_database(home, "records", "vault_disclosure"),
            disclosures_dir=home.ceremony / "disclosures",
        ),
    }
    plain: dict[str, Toml] = {
        "policies_dir": str(policies),
        "recovery_policy": str(_write_demo_policy(home.recovery_policy, policies, demo_policy)),
        "pages_policy": str(_write_demo_policy(home.pages_policy, policies, demo_pages)),
        "manifest_fingerprint": fingerprint,
    }
    if cosigning is not None:
        witness = Witness(vkey=cosigning.vkey, url=f"unix:{_witness_socket(home)}")
        plain["witnesses"] = [witness.model_dump(mode="json", exclude_none=True)]
    tables = {name: part.model_dump(mode="json", exclude_none=True) for name, part in sections.items()}
    fresh = home.settings.with_suffix(".new")
    fresh.write_text("# Written by vaultctl dev at each start.\n" + to_toml(plain, tables), "utf-8")
    fresh.chmod(0o644)
    fresh.replace(home.settings)


def demo_policy(text: str) -> str:
    """policies/recovery.toml with waiting periods that somebody who tries it out can wait for."""
    before, _, rest = text.partition("[waiting_s]")
    waits, _, after = rest.partition("\n[")
    short = re.sub(
        r"(?m)^(\w+) = [\d.]+",
        lambda found: f"{found[1]} = {_DEMO_REGAIN_WAIT_S if found[1] == 'regain' else 0}",
        waits,
    )
    return (
        "# Written by vaultctl dev at each start. The waiting periods are for trying out only:\n"
        "# a user whose recovery somebody else asked for has two seconds to cancel it.\n\n"
        f"{before}[waiting_s]{short}\n[{after}"
    )


def demo_pages(text: str) -> str:
    """policies/pages.toml with the user's page switched on."""
    head = "# Written by vaultctl dev at each start. The user's page is on, to be tried out.\n\n"
    return head + re.sub(r"(?m)^enabled = false$", "enabled = true", text)


def _write_demo_policy(path: Path, policies: Path, changed: Callable[[str], str]) -> Path:
    """The project's file of that name with changes for trying out."""
    fresh = path.with_suffix(".new")
    fresh.write_text(changed((policies / path.name).read_text("utf-8")), "utf-8")
    fresh.chmod(0o644)
    fresh.replace(path)
    return path


def database_dsn(home: Home, side: str, role: str) -> str:
    """How one role reaches its database, without the password."""
    host = str(home.postgres_sockets).replace("\\", "\\\\").replace("'", "\\'")
    return f"host='{host}' port={PORT} dbname=vault_{side} user={role}"


def _database(home: Home, side: str, role: str) -> Database:
    return Database(
        dsn=database_dsn(home, side, role), password_file=home.database_passwords(side) / f"{role}.password"
    )


def auditor_database(home: Home, side: str) -> Database:
    """A database as the operator reads its log."""
    return _database(home, side, f"vault_auditor_{side}")


def _client(home: Home, caller: str) -> KmsClient:
    return KmsClient(url=f"unix:{kms_socket(home, caller)}")


def _worker(home: Home, name: str, side: str) -> Worker:
    return Worker(
        database=_database(home, side, f"vault_{name}"), kms=_client(home, name), state_dir=home.state(name)
    )


def _witness_socket(home: Home) -> Path:
    return home.witness_sockets / "witness.sock"


def _records_worker(home: Home, users: Users, cosigning: Cosigning | None) -> RecordsWorker:
    """The records side's worker cosigns both logs' heads, so both workers may ask it."""
    plain = _worker(home, "worker_records", "records")
    uids = tuple(dict.fromkeys((users.worker_keys.uid, users.worker_records.uid)))
    listener = WitnessListener(unix=_witness_socket(home), peer_uids=uids)
    cosigner = (
        None
        if cosigning is None
        else Cosigner(key_file=cosigner_key(home), logs=cosigning.logs, listeners=(listener,))
    )
    return RecordsWorker(
        database=plain.database,
        kms=plain.kms,
        state_dir=plain.state_dir,
        cosigner=cosigner,
    )


def cosigner_key(home: Home) -> Path:
    """What the records side's worker cosigns with."""
    return home.cosigner_secrets / "cosigner.key"


def to_toml(plain: Mapping[str, Toml], tables: Mapping[str, dict[str, Toml]]) -> str:
    """A TOML 1.0 document: plain values first, then a table for each section."""
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Toml) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # JSON's strings, numbers and booleans are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

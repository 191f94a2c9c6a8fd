"""Settings: one vault.toml a host, overridden by environment variables (VAULT_API__PORT=…).

Secrets are never values here, only paths of files that nobody but their owner may read.
"""

import os
import stat
import tomllib
from pathlib import Path
from typing import Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from vault_service.domain.errors import ConfigurationError

Caller = Literal["api", "worker_keys", "worker_records", "operator", "console", "ceremony"]
Port = int


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(_Section):
    """One database as one role sees it."""

    dsn: str  # without a password; several hosts for failover are welcome
    password_file: Path


class Token(_Section):
    """A PKCS#11 token."""

    module: Path
    label: str
    pin_file: Path | None = None  # the online token's only; the escrow PIN stands in no file
    softhsm2_conf: Path | None = None  # for SoftHSM: its configuration file
    state_dir: Path  # lock file and the copy of the token's object taken before each login


class Tls(_Section):
    """Certificate and key of a listener, or of a client when it must show who it is."""

    certificate: Path
    key: Path
    ca: Path | None = None  # clients' (or the server's) authority; demanded for mutual TLS


class KmsListener(_Section):
    """One way in to the key service; who uses it is decided by the socket or by the certificate's CN."""

    caller: Caller | None = None  # for a Unix socket
    unix: Path | None = None
    peer_uids: tuple[int, ...] = ()  # who may connect (SO_PEERCRED); empty: this process's own user
    host: str | None = None  # TCP: mutual TLS only
    port: Port | None = None


class Kms(_Section):
    """The key service."""

    listeners: tuple[KmsListener, ...]
    database: Database
    token: Token
    state_dir: Path  # highest manifest serial seen, outside the database
    threads: int = Field(default=16, ge=2, le=256)
    tls: Tls | None = None
    callers_by_certificate: dict[str, Caller] = {}


class KmsClient(_Section):
    """How a process reaches the key service: a Unix socket, or https with a client certificate."""

    url: str  # unix:/run/vault/kms-api.sock or https://kms.internal:8472
    tls: Tls | None = None


class Api(_Section):
    """The public API."""

    host: str = "127.0.0.1"
    port: Port = 8470
    metrics_port: Port
    database: Database
    kms: KmsClient
    threads: int = Field(default=16, ge=1, le=64)
    tls: Tls | None = None
    tls_terminated_by_proxy: bool = False
    # The user's own page (/me): whose app it acts as. Without it there is none; the policy decides too.
    user_page_origin: str | None = None  # as browsers say it
    user_page_app_key: Path | None = None  # a file with the app's key


class WitnessListener(_Section):
    """Where a witness is asked for cosignatures."""

    unix: Path | None = None
    peer_uids: tuple[int, ...] = ()  # who may connect (SO_PEERCRED); empty: this process's own user
    host: str | None = None  # TCP: with TLS
    port: Port | None = None


class Cosigner(_Section):
    """The records side's witness: it cosigns the heads of both logs with a key of its own."""

    key_file: Path  # Ed25519, made by vaultctl witness keygen
    # Verifier keys of both logs: the "signing" lines of an export's audit.vkey. Empty: as the key service
    # tells them at the start. It signs the heads itself; whether they append is what the witness checks.
    logs: tuple[str, ...] = ()
    listeners: tuple[WitnessListener, ...] = ()
    tls: Tls | None = None


class Witness(_Section):
    """Somebody who cosigns checkpoints (C2SP tlog-witness)."""

    vkey: str  # C2SP verifier key, type 4
    url: str  # unix:/run/vault/witness.sock or https://witness.example.org
    ca: Path | None = None  # the witness's authority, if not a public one
    certificate: Path | None = None  # for mutual TLS
    key: Path | None = None


class SiemReceiver(_Section):
    """Where a side's events are sent to as well."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    kind: Literal["file", "webhook", "syslog"]
    path: Path | None = None  # file: JSON lines are appended to it
    url: str | None = None  # webhook: https://…; syslog: tls://host:port
    token_file: Path | None = None  # webhook: sent as a bearer token
    hmac_key_file: Path | None = None  # webhook: signs each body
    body: Literal["lines", "array"] = "lines"  # webhook: JSON lines, or one JSON array
    ca: Path | None = None  # the receiver's authority, if not a public one
    certificate: Path | None = None  # for mutual TLS
    key: Path | None = None


class Notice(_Section):
    """Where a message about a case is posted to: {case_id, kind, what, at}, signed with the HMAC key."""

    url: str
    hmac_key_file: Path
    app: str | None = None  # the app whose users it concerns; None: the officers
    ca: Path | None = None


class Worker(_Section):
    """A background worker of one side."""

    database: Database
    kms: KmsClient
    state_dir: Path
    metrics_port: Port | None = None  # on loopback
    siem: tuple[SiemReceiver, ...] = ()
    notices: tuple[Notice, ...] = ()  # the keys side's only


class RecordsWorker(Worker):
    """The records side's, which cosigns."""

    cosigner: Cosigner | None = None


class Recovery(_Section):
    """Where officers work: vaultctl recovery and officer (and the console), with their key files."""

    database: Database  # role vault_recovery
    kms: KmsClient  # as the caller console
    state_dir: Path  # highest manifest serial seen; sealed shares that this host's officers keep


class Ceremony(_Section):
    """The host that ceremonies run on, best one of its own."""

    database: Database  # role vault_ceremony
    kms: KmsClient  # as the caller ceremony
    token: Token  # the escrow token; its PIN stands in no file
    state_dir: Path  # the lock, each share set before the PIN changes, highest manifest serial seen
    records: Database | None = None  # role vault_disclosure; without it no disclosure is made on this host
    disclosures_dir: Path | None = None  # where age files go


class Console(_Section):
    """The officers' web console."""

    # As browsers say it: https://console.example.org. Its host name is what passkeys are for (WebAuthn's
    # relying party): no IP address, and whoever changes it has to enrol everybody anew.
    origin: str = Field(pattern=r"^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$")
    host: str = "127.0.0.1"
    port: Port = 8471
    database: Database  # role vault_recovery
    kms: KmsClient  # as the caller console
    state_dir: Path  # highest manifest serial seen; sealed shares of officers who sign here
    audit_keys: Database | None = None  # role vault_auditor_keys: without it, nothing to look at in that log
    audit_records: Database | None = None  # role vault_auditor_records
    threads: int = Field(default=8, ge=1, le=64)
    metrics_port: Port | None = None  # on loopback
    tls: Tls | None = None
    tls_terminated_by_proxy: bool = False

    @property
    def rp_id(self) -> str:
        """The host name: WebAuthn's relying party."""
        return self.origin.split("//", 1)[1].partition(":")[0]


class Audit(_Section):
    """For vaultctl audit export: read-only roles, one for each database; a host may know one only."""

    keys: Database | None = None
    records: Database | None = None


class Settings(BaseSettings):
    """Everything one host knows; a section that is missing means: not on this host."""

    model_config = SettingsConfigDict(
        env_prefix="VAULT_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    policies_dir: Path
    recovery_policy: Path | None = None  # instead of the recovery.toml in policies_dir
    pages_policy: Path | None = None  # likewise, of pages.toml
    manifest_fingerprint: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    kms: Kms | None = None
    api: Api | None = None
    worker_keys: Worker | None = None
    worker_records: RecordsWorker | None = None
    witnesses: tuple[Witness, ...] = ()
    audit: Audit | None = None
    operator: KmsClient | None = None
    recovery: Recovery | None = None
    console: Console | None = None
    ceremony: Ceremony | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file; no dotenv."""
        del dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, toml_file=settings_file())
        return env_settings, init_settings, toml


def as_browsers_say(origin: str) -> str:
    """The origin as it comes in a browser's header: without the port that its scheme has anyway."""
    scheme, _, rest = origin.partition("://")
    host, _, port = rest.partition(":")
    usual = 443 if scheme == "https" else 80
    return f"{scheme}://{host}" + (f":{int(port)}" if port and int(port) != usual else "")


def vault_home() -> Path:
    """$VAULT_HOME, by default .vault in the working directory."""
    return Path(os.environ.get("VAULT_HOME", ".vault")).absolute()


def settings_file() -> Path:
    """$VAULT_SETTINGS, by default $VAULT_HOME/vault.toml."""
    return Path(os.environ.get("VAULT_SETTINGS", str(vault_home() / "vault.toml")))


def load_settings() -> Settings:
    """Raises ConfigurationError naming the file and each field that is wrong."""
    path = settings_file()
    if not path.is_file():
        raise ConfigurationError(
            f"{path} does not exist", remedy="Run make run, or set VAULT_HOME or VAULT_SETTINGS."
        )
    try:
        return Settings()  # type: ignore[call-arg]  # the values come from the file
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{path}: {wrong}", remedy="Correct the file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}", remedy="Correct the file.") from error


def private_file(path: Path) -> Path:
    """The path of a secret that a library reads by itself, such as a TLS key.

    Raises ConfigurationError when it is missing or readable by others.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise _unreadable(path, error) from error
    if mode & 0o077:
        raise ConfigurationError(
            f"secret file {path} can be read by others (mode {mode:04o})",
            remedy=f"chmod 0600 {path}, and change the secret if others have been on this host.",
        )
    return path


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"secret file {path}: {error.strerror}",
        remedy="Check the path and that this process's user owns the file.",
    )


def read_secret(path: Path) -> str:
    """A secret from a file that only its owner may read.

    Raises ConfigurationError when it is missing, empty, no text, a known default or readable by others.
    """
    try:
        secret = private_file(path).read_text("utf-8").strip()
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"secret file {path} holds no text", remedy="Put the secret there as UTF-8 text."
        ) from None
    if secret.lower() in {"", "changeme", "change-me", "password", "secret", "postgres", "1234", "123456"}:
        raise ConfigurationError(f"secret file {path} holds a default", remedy="Put a random secret there.")
    return secret

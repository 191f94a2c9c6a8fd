"""`vaultctl doctor`: everything a newcomer can get wrong, each finding with its remedy."""

import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from vault_service.bootstrap.connections import kms_client
from vault_service.bootstrap.siem import check_receiver
from vault_service.cli.doctor_audit import examine_heads, examine_sealing, examine_witnesses
from vault_service.cli.doctor_console import examine_console
from vault_service.cli.doctor_database import examine_database
from vault_service.cli.doctor_escrow import examine_escrow
from vault_service.cli.doctor_recovery import examine_recovery
from vault_service.cli.doctor_rotation import examine_rotation
from vault_service.cli.finding import Finding, warning
from vault_service.cli.output import say, say_rows
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.domain.logs import LOGS
from vault_service.kms.protocol.messages import Health, HealthIs
from vault_service.kms.token.admin import read_facts
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound
from vault_service.policy.load import load_policies
from vault_service.settings import (
    Database,
    Settings,
    SiemReceiver,
    Tls,
    Token,
    load_settings,
    read_secret,
    settings_file,
)
from vault_service.web.listening import Face, refuse_clear_text

MIN_FREE = 1 << 30  # bytes; PostgreSQL stops when its disk is full
WARN_BEFORE_END = timedelta(days=14)


def _policies(settings: Settings) -> str:
    load_policies(settings.policies_dir, recovery=settings.recovery_policy, pages=settings.pages_policy)
    return f"sound: {settings.policies_dir}"


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check that this host's settings call for."""
    yield _try("policies", lambda: _policies(settings))
    yield _fingerprint(settings)
    if settings.kms is not None:
        token = settings.kms.token
        yield _exists("PKCS#11 module", token.module, "Install softhsm2, or name the module of your HSM.")
        if token.softhsm2_conf is not None:
            yield _exists("SoftHSM configuration", token.softhsm2_conf, "Run scripts/softhsm_setup.sh.")
        if token.pin_file is not None:
            yield _secret("online PIN file", token.pin_file)
        yield from examine_token(token)
        yield _private("key service state", settings.kms.state_dir)
        yield _disk(settings.kms.state_dir)
    for name, tls in _tls(settings):
        yield examine_certificate(f"{name}: certificate", tls.certificate, datetime.now(UTC))
        yield _secret(f"{name}: TLS key", tls.key)
    for name, face in (("api", settings.api), ("console", settings.console)):
        if face is not None:
            yield _try(f"{name}: listens", partial(_listens, face, name))
    for name, database in _databases(settings):
        yield _secret(f"{name}: password file", database.password_file)
        yield from examine_database(name, database)
    yield from _receivers(settings)
    yield from examine_recovery(settings)
    yield from examine_console(settings)
    yield from examine_witnesses(settings)
    yield from _key_service(settings)
    yield from examine_rotation(settings)
    yield from examine_escrow(settings)


def _tls(settings: Settings) -> Iterator[tuple[str, Tls]]:
    api, kms, keys, records = settings.api, settings.kms, settings.worker_keys, settings.worker_records
    sections = {
        "kms": kms.tls if kms else None,
        "api": api.tls if api else None,
        "api.kms": api.kms.tls if api else None,
        "worker_keys.kms": keys.kms.tls if keys else None,
        "worker_records.kms": records.kms.tls if records else None,
        "operator": settings.operator.tls if settings.operator else None,
        "worker_records.cosigner": records.cosigner.tls if records and records.cosigner else None,
        "recovery.kms": settings.recovery.kms.tls if settings.recovery else None,
        "ceremony.kms": settings.ceremony.kms.tls if settings.ceremony else None,
        "console": settings.console.tls if settings.console else None,
        "console.kms": settings.console.kms.tls if settings.console else None,
    }
    for name, section in sections.items():
        if section is not None:
            yield name, section


def _databases(settings: Settings) -> Iterator[tuple[str, Database]]:
    sections = {
        "kms": settings.kms,
        "api": settings.api,
        "worker_keys": settings.worker_keys,
        "worker_records": settings.worker_records,
        "recovery": settings.recovery,
        "ceremony": settings.ceremony,
        "console": settings.console,
    }
    for name, section in sections.items():
        if section is not None:
            yield name, section.database
    if settings.ceremony is not None and settings.ceremony.records is not None:
        yield "ceremony.records", settings.ceremony.records
    if settings.console is not None:
        for log in LOGS:
            if (database := getattr(settings.console, f"audit_{log}")) is not None:
                yield f"console.audit_{log}", database
    for log in LOGS:
        if (database := getattr(settings.audit, log, None)) is not None:
            yield f"audit.{log}", database


def _try(check: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, attempt())
    except VaultError as error:
        return Finding(check, False, error.detail, error.remedy)


def _fingerprint(settings: Settings) -> Finding:
    if settings.manifest_fingerprint:
        return Finding("manifest fingerprint", True, "pinned")
    return Finding(
        "manifest fingerprint", False, "nothing is pinned", "Run vaultctl init and pin what it prints."
    )


def _exists(check: str, path: Path, remedy: str) -> Finding:
    if path.exists():
        return Finding(check, True, str(path))
    return Finding(check, False, f"{path} does not exist or cannot be reached", remedy)


def _secret(check: str, path: Path) -> Finding:
    def attempt() -> str:
        try:
            read_secret(path)
        except ConfigurationError as error:
            if "Permission denied" in error.detail:
                return "belongs to another user, as it should; run doctor as root to look inside"
            raise
        return "readable by its owner only"

    return _try(check, attempt)


def examine_token(token: Token) -> Iterator[Finding]:
    """Asks it nothing that needs a PIN: tries are counted."""
    if not token.module.exists() or (token.softhsm2_conf is not None and not token.softhsm2_conf.exists()):
        return  # its own finding says it
    check = "online token"
    try:
        facts = read_facts(TokenPlace(token.module, token.label, token.softhsm2_conf, token.state_dir))
    except VaultError as error:
        yield Finding(
            check, False, f"{token.label}: {error.detail}",
            "Plug it in, or correct kms.token: label, module, softhsm2_conf. pkcs11-tool --list-slots shows "
            "what there is.",
        )  # fmt: skip
        return
    if facts.has_user_pin:
        yield Finding(check, True, f"{facts.label}, serial {facts.serial}")
    else:
        yield Finding(check, False, f"{facts.label} is as it was delivered", "Run vaultctl init.")


def examine_certificate(check: str, file: Path, now: datetime) -> Finding:
    """The first certificate of the file is the host's own (RFC 8446, section 4.4.2)."""
    try:
        ends = x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no certificate in PEM"
        return Finding(check, False, f"{file}: {reason}", "Issue one, or correct the path.")
    left = ends - now
    if left < timedelta(0):
        return Finding(check, False, f"{file} ended at {ends:%Y-%m-%d %H:%M} UTC", "Issue a new one.")
    if left < WARN_BEFORE_END:
        return warning(check, f"{file} ends at {ends:%Y-%m-%d %H:%M} UTC", "Issue a new one.")
    return Finding(check, True, f"{file}, until {ends:%Y-%m-%d}")


def _listens(face: Face, section: str) -> str:
    refuse_clear_text(face, section)
    if face.tls is not None:
        return f"{face.host}, by TLS"
    return (
        f"{face.host}, by TLS of a proxy before it" if face.tls_terminated_by_proxy else f"{face.host} only"
    )


def _private(check: str, folder: Path) -> Finding:
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except PermissionError:
        return Finding(check, True, "belongs to another user")
    except OSError as error:
        return Finding(check, False, f"{folder}: {error.strerror}", f"Make the folder {folder}.")
    if mode & 0o077:
        return Finding(check, False, f"{folder} has mode {mode:04o}", f"chmod 0700 {folder}")
    return Finding(check, True, "private")


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("free disk", False, f"{folder}: {error.strerror}", "Check the path.")
    if free < MIN_FREE:
        return Finding(
            "free disk", False, f"{free >> 20} MiB left", "Make room: a full disk stops the vault."
        )
    return Finding("free disk", True, f"{free >> 30} GiB left")


def _receivers(settings: Settings) -> Iterator[Finding]:
    """Whether events could be sent where they shall go; nothing is sent."""
    for side, worker in (("keys", settings.worker_keys), ("records", settings.worker_records)):
        for receiver in worker.siem if worker else ():

            def attempt(receiver: SiemReceiver = receiver) -> str:
                policy = load_policies(settings.policies_dir, recovery=settings.recovery_policy).outbound
                return check_receiver(receiver, Outbound(AddressPolicy(policy.allow)))

            yield _try(f"worker_{side}: receiver {receiver.name}", attempt)


def _key_service(settings: Settings) -> Iterator[Finding]:
    client_settings = settings.operator or (settings.api.kms if settings.api else None)
    if client_settings is None:
        return
    client = kms_client(client_settings)
    try:
        health = client.call(Health(), HealthIs)
        yield from examine_sealing(health)
        yield from examine_heads(settings, client)
    except VaultError as error:
        yield Finding("key service", False, error.detail, "Start it: make run, or vaultctl serve kms.")
        return
    finally:
        client.close()
    for part, state in (
        ("token", health.token),
        ("database", health.database),
        ("audit trail", health.audit),
        ("manifest", health.manifest),
    ):
        yield Finding(f"key service: {part}", state == "ok", state, "" if state == "ok" else "See its log.")


def _line(finding: Finding) -> str:
    """In one piece, so that what a runbook quotes is found in it; what is wrong stands out."""
    line = f"{'ok   ' if finding.ok else 'WRONG'}  {finding.check}: {finding.detail}"
    return f"{line}\n       {finding.remedy}" if finding.remedy else line


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("doctor")
    def doctor(
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    ) -> None:
        """Check token, secrets, certificates, databases, roles, clock, disk; exit 1 if anything is wrong.

        \b
        Example:
            VAULT_HOME=.vault vaultctl doctor
        """
        findings: list[Finding] = [_try("settings", lambda: str(load_settings() and settings_file()))]
        if findings[0].ok:
            findings.extend(examine(load_settings()))
        if as_json:
            rows = [{"check": f.check, "ok": f.ok, "detail": f.detail, "remedy": f.remedy} for f in findings]
            say_rows(rows, as_json=True)
        else:
            say({}, as_json=False, text="\n".join(map(_line, findings)))
        if not all(finding.ok for finding in findings):
            raise typer.Exit(1)

"""`vaultctl doctor` on the officers' console: whether officers can reach it, and sign there."""

from collections.abc import Iterator

import httpx

from vault_service.bootstrap.connections import connect
from vault_service.bootstrap.console import check_origin
from vault_service.cli.finding import Finding, warning
from vault_service.crypto.manifest_chain import verify_chain
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.domain.manifest import Manifest, Passkey
from vault_service.settings import Console, Settings
from vault_service.storage.keys.manifests import load_chain

_PATIENCE_S = 5.0
_SIGN_IN = "/sign-in"


def examine_console(settings: Settings) -> Iterator[Finding]:
    """What a host with a console calls for."""
    console = settings.console
    if console is None:
        return
    try:
        check_origin(console)
    except ConfigurationError as error:
        yield Finding("console: origin", False, error.detail, error.remedy)
    else:
        yield Finding("console: origin", True, f"{console.origin}, passkeys for {console.rp_id}")
        yield _reached(console)
    if settings.manifest_fingerprint:  # else its own finding says it
        yield from _passkeys(console, settings.manifest_fingerprint)
    missing = [log for log in ("keys", "records") if getattr(console, f"audit_{log}") is None]
    if missing:
        yield warning(
            "console: audit", f"officers cannot look at the {' and the '.join(missing)} log there",
            "Set console.audit_keys and console.audit_records (roles vault_auditor_keys, _records).",
        )  # fmt: skip


def _reached(console: Console) -> Finding:
    check = "console: reached"
    try:
        answer = httpx.get(console.origin + _SIGN_IN, timeout=_PATIENCE_S, trust_env=False)
    except httpx.HTTPError as error:
        return Finding(
            check, False, f"{console.origin} does not answer ({type(error).__name__})",
            "Run vaultctl serve console; see that this host knows its name and trusts its certificate.",
        )  # fmt: skip
    if not answer.is_success or "frame-ancestors" not in answer.headers.get("Content-Security-Policy", ""):
        return Finding(
            check, False, f"{console.origin} answers ({answer.status_code}), and not as our pages do",
            "See what listens there, and that a proxy before it passes answers and their headers on.",
        )  # fmt: skip
    return Finding(check, True, "answers")


def _passkeys(console: Console, fingerprint: str) -> Iterator[Finding]:
    check = "console: passkeys"
    try:
        manifest = _newest(console, fingerprint)
    except VaultError as error:
        yield Finding(check, False, error.detail, error.remedy)
        return
    named = {
        officer.name: each.passkey
        for officer in manifest.officers
        for each in officer.authenticators
        if isinstance(each.passkey, Passkey)
    }
    elsewhere = {name: passkey.origin for name, passkey in named.items() if passkey.origin != console.origin}
    if elsewhere:
        told = ", ".join(f"{name} ({origin})" for name, origin in sorted(elsewhere.items()))
        yield Finding(
            check, False, f"made at another address, and of no use here: {told}",
            f"Serve the console at that address again, or invite them anew (vaultctl officer invite "
            f"--officer-id) for {console.origin}.",
        )  # fmt: skip
    elif not named:
        yield warning(
            check, "no officer has one: nobody can sign in", "vaultctl officer invite (docs/console.md)."
        )
    else:
        yield Finding(check, True, f"{len(named)} of {len(manifest.officers)} officers have one")


def _newest(console: Console, fingerprint: str) -> Manifest:
    db = connect(console.database, size=1, name="doctor")
    try:
        with db.connection() as conn:
            return verify_chain(load_chain(conn), pinned=bytes.fromhex(fingerprint))
    finally:
        db.close()

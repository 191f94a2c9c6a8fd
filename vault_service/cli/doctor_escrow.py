"""`vaultctl doctor` on the escrow: which share set opens its token, who holds one, its PIN flags."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from vault_service.bootstrap.connections import connect
from vault_service.ceremony.bundle import Bundle, read_bundle
from vault_service.ceremony.kept_so_pin import unfinished
from vault_service.ceremony.pin_records import PinParts
from vault_service.ceremony.pin_state import Pin, PinView, judge
from vault_service.ceremony.shares import ESCROW_PIN, holders
from vault_service.cli.finding import Finding, warning
from vault_service.crypto.manifest_chain import verify_chain
from vault_service.domain.errors import ConfigurationError, TokenUnavailableError, VaultError
from vault_service.domain.manifest import Manifest
from vault_service.kms.token.admin import started
from vault_service.kms.token.pkcs11_module import PinFlags, TokenPlace
from vault_service.settings import Settings
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.keys.shares import PinRow, list_pin_generations, list_shares

_RUNBOOK = "Follow docs/runbooks/pin-blocked.md; try no PIN by hand."
_TOKEN_WAIT_S = 2.0  # a ceremony may be at work


def examine_escrow(settings: Settings) -> Iterator[Finding]:
    """On the ceremony's host; reads only."""
    ceremony = settings.ceremony
    if ceremony is None:
        return
    token = ceremony.token
    place = TokenPlace(token.module, token.label, token.softhsm2_conf, token.state_dir)
    try:
        db = connect(ceremony.database, size=1, name="doctor")
    except ConfigurationError:
        return  # the password file's own finding says it
    if unfinished(ceremony.state_dir):
        yield warning(
            "break-glass", "it died halfway: the token may still have the PIN of the older words",
            "Do it again: vaultctl break-glass says which words it wants. Keep the sheets of both sets.",
        )  # fmt: skip
    with contextlib.closing(db):
        try:
            with db.connection() as conn:
                chain = load_chain(conn)
            manifest = verify_chain(chain, pinned=bytes.fromhex(settings.manifest_fingerprint))
        except VaultError as error:
            yield Finding("escrow PIN", False, error.detail, error.remedy)
            return
        serial = manifest.tokens.escrow
        parts = PinParts(db, place, ceremony.state_dir, serial, lambda: datetime.now(UTC))
        try:
            yield from examine_pin(parts, manifest)
        except VaultError as error:  # when nobody knows the PIN, the token's flags matter most
            yield Finding("escrow PIN", False, error.detail, error.remedy)
    yield from examine_token(place, serial)


def examine_pin(parts: PinParts, manifest: Manifest) -> Iterator[Finding]:
    """Which share set opens the token, and who holds one. Raises what storage and folder raise."""
    bundle = read_bundle(parts.folder)
    with parts.db.connection() as conn:
        rows = list_pin_generations(conn)
        stored = {row.pin_gen: list_shares(conn, ESCROW_PIN, row.pin_gen) for row in rows}
    yield from _bundle_findings(bundle, rows)
    view = judge(rows, bundle, parts.token_serial)
    yield _which_opens(view)
    checks = {row.pin_gen: row.pin_check for row in rows}
    for pin in view.candidates:
        yield from _agree(pin, checks.get(pin.generation), stored.get(pin.generation, {}))
    newest = view.candidates[0]
    held = stored.get(newest.generation) or (newest.kept.shares if newest.kept else {})
    yield from _holders(manifest, newest.generation, {str(officer) for officer in held})


def _which_opens(view: PinView) -> Finding:
    check = "escrow PIN"
    numbers = [str(pin.generation) for pin in view.candidates]
    states = ", ".join(f"{pin.generation} {pin.state}" for pin in view.pins)
    if len(numbers) == 1:
        return Finding(check, True, f"the shares of generation {numbers[0]} open the token ({states})")
    return warning(
        check, f"the shares of generation {numbers[0]}, or else of {numbers[1]}, open the token: a change "
        f"of the PIN died halfway, or database and folder are of different days ({states})",
        "Run a ceremony (a drill will do): officers release their shares of both, and it finds out.",
    )  # fmt: skip


def _bundle_findings(bundle: Bundle, rows: Sequence[PinRow]) -> Iterator[Finding]:
    for path in bundle.unreadable:
        yield Finding(
            "escrow share sets", False, f"{path} cannot be read",
            "Put it back from a backup of this host, or remove it: the next ceremony writes a new one.",
        )  # fmt: skip
    ended = {row.pin_gen for row in rows if row.state in ("void", "retired")}
    ended |= {kept.generation for kept in bundle.sets.values() if kept.state == "void"}
    for generation in sorted(bundle.refused - ended):
        yield Finding(
            "escrow PIN refused", False, f"the token has refused PIN generation {generation}",
            f"{_RUNBOOK} If it was another token, remove refused-{generation} from the ceremony folder.",
        )  # fmt: skip


def _agree(pin: Pin, stored_check: bytes | None, stored: object) -> Iterator[Finding]:
    check = f"escrow share set {pin.generation}"
    if pin.kept is None:
        yield warning(
            check, "in the database only: its file is missing in the ceremony folder",
            "Run a ceremony (a drill will do): it writes the file anew.",
        )  # fmt: skip
    elif stored_check is None or not stored:
        yield warning(
            check, "in the ceremony folder only: the database is of an earlier day",
            "Run a ceremony (a drill will do): it puts the shares back.",
        )  # fmt: skip
    elif stored_check != pin.pin_check or (pin.kept.shares and pin.kept.shares != stored):
        yield Finding(
            check, False, "the database's differs from the ceremony folder's, which counts",
            "Somebody altered the database: find out who. The next ceremony puts the shares back.",
        )  # fmt: skip
    else:
        yield Finding(check, True, "the same in the database and in the ceremony folder")


def _holders(manifest: Manifest, generation: int, held: set[str]) -> Iterator[Finding]:
    check = f"holders of share set {generation}"
    wanted = {str(officer.officer_id): officer.name for officer in holders(manifest.officers)}
    without = sorted(name for officer, name in wanted.items() if officer not in held)
    strangers = sorted(held - set(wanted))
    need, have = manifest.quorum.base, len(held & set(wanted))
    resplit = "Run a ceremony (a drill will do): it makes a new set for the officers as they are now."
    if without:
        yield warning(check, f"no share: {', '.join(without)}", resplit)
    if strangers:
        yield warning(check, f"a share, and no right to one any more: {', '.join(strangers)}", resplit)
    if have < need:
        yield Finding(check, False, f"{have} officers hold a share, and {need} are needed", _RUNBOOK)
    elif have == need:
        yield warning(
            check, f"{have} officers hold a share, and all of them are needed: losing one loses the escrow",
            "Add an officer (vaultctl officer propose).",
        )  # fmt: skip
    else:
        change = f"changing the officers takes {need} besides the one who proposes it"
        yield Finding(check, True, f"{have} officers hold a share, any {need} open the token; {change}")


def examine_token(place: TokenPlace, serial: str) -> Iterator[Finding]:
    """How many wrong PINs the token has seen. No PIN is tried."""
    check = "escrow token"
    if not _is_ours(place.state_dir):
        # A copy of the token's object that is written here would be ours, and no ceremony's any more.
        yield Finding(check, True, "belongs to another user: run doctor as that user to see its PIN flags")
        return
    try:
        with started(place, wait_s=_TOKEN_WAIT_S) as (loaded, token):
            found, flags = token.serial.decode("ascii", "replace"), loaded.pin_flags(token)
    except TokenUnavailableError as error:  # it is plugged in for ceremonies only
        yield warning(check, error.detail, "Plug it in for the next ceremony; then run doctor again.")
        return
    if found != serial:
        yield Finding(
            check, False, f"serial {found}, and the manifest names {serial}", "Plug in this vault's token."
        )
    elif flags & (PinFlags.LOCKED | PinFlags.FINAL_TRY):
        yield Finding(check, False, f"PIN flags: {flags.name}", _RUNBOOK)
    elif flags & PinFlags.COUNT_LOW:
        yield warning(
            check, "it has been given a wrong PIN since the last right one",
            "Find out who: a ceremony does that only when a change of the PIN died halfway.",
        )  # fmt: skip
    else:
        yield Finding(check, True, "no wrong PIN since the last right one")


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return False

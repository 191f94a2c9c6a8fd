"""A ceremony put together from its settings: the one process that opens the escrow token."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec.structs import replace

from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.ceremony.break_glass import Replaced, Successors, break_glass, demand_ready
from vault_service.ceremony.break_glass_words import secret_of_sheets
from vault_service.ceremony.parts import CeremonyParts, Progress, unwatched
from vault_service.ceremony.process import Ceremony, Result
from vault_service.ceremony.sheets import SheetsAbandonedError, Terminal
from vault_service.crypto.officer_change import check_people
from vault_service.domain.errors import ConfigurationError, ManifestError
from vault_service.domain.manifest import Manifest, Officer
from vault_service.domain.recovery_errors import ProposalRefusedError
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.logs import configure_logging
from vault_service.policy.load import load_policies
from vault_service.process import harden, scrub_freed_memory, until_told_to_stop
from vault_service.settings import Settings
from vault_service.storage.keys.believed_chain import read_chain

_log = structlog.get_logger("ceremony")


def build_ceremony(settings: Settings, progress: Progress = unwatched) -> CeremonyParts:
    """The parts; nothing is opened yet. Raises ConfigurationError."""
    ceremony = settings.ceremony
    if ceremony is None:
        raise missing("ceremony")
    _demand_own_folder(ceremony.state_dir)
    token = ceremony.token
    return CeremonyParts(
        db=connect(ceremony.database, size=2, name="ceremony"),
        kms=kms_client(ceremony.kms),
        policies=load_policies(settings.policies_dir, recovery=settings.recovery_policy),
        place=TokenPlace(token.module, token.label, token.softhsm2_conf, token.state_dir),
        state_dir=ceremony.state_dir,
        fingerprint=settings.manifest_fingerprint,
        records=None if ceremony.records is None else connect(ceremony.records, size=1, name="disclosure"),
        disclosures_dir=ceremony.disclosures_dir,
        progress=progress,
    )


def _demand_own_folder(folder: Path) -> None:
    """What root writes there, and into the token, no ceremony of the service's own user could open."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return  # whoever uses it first says what is wrong
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise ConfigurationError(
        f"the ceremony folder {folder} is {name}'s",
        remedy=f"Run it as that user: sudo -u '{name}' vaultctl …",
    )


def run_ceremony(
    settings: Settings, *, wait_s: float | None, progress: Progress = unwatched
) -> Result | None:
    """Run one ceremony in this process; `wait_s` None: idle until something is due, however long.

    None: nothing was due, or told to stop. This program is started again first, with an allocator that
    overwrites what is freed: what this process has read must not be left in its memory.
    """
    scrub_freed_memory()
    configure_logging(settings.log_level)
    harden()
    parts = build_ceremony(settings, progress)
    try:
        with until_told_to_stop() as stop:
            ceremony = Ceremony(parts, stop)
            _log.info("ceremony.waiting")
            return ceremony.run_for_ever() if wait_s is None else ceremony.run(wait_s=wait_s)
    finally:
        parts.db.close()
        if parts.records is not None:
            parts.records.close()
        parts.kms.close()


def run_break_glass(
    settings: Settings,
    plan: Callable[[Manifest], Successors],
    terminal: Terminal,
    describe: Callable[[Officer], str],
    *,
    transport_so_pin: str | None = None,
) -> Replaced:
    """Have the words typed, and put others in the officers' place. `plan`: who, given the newest manifest.

    Who they are, by which keys, and who is none any more is shown before a word is typed: a public file may
    have been exchanged on its way, and somebody may have been forgotten. Raises as ceremony.break_glass does.
    """
    scrub_freed_memory()
    configure_logging(settings.log_level)
    harden()
    parts = build_ceremony(settings)
    try:
        demand_ready(parts)
        newest = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir).newest
        successors = plan(newest)
        _demand_enough(replace(newest, officers=successors.officers, quorum=successors.quorum))
        staying = {each.officer_id for each in successors.officers}
        gone = [describe(each) for each in newest.officers if each.officer_id not in staying]
        terminal.show("\n".join(["The officers will be", *map(describe, successors.officers)]))
        terminal.show("\n".join(["No officers any more:", *(gone or ["  nobody"])]))
        _demand_yes(terminal)
        return break_glass(
            parts, secret_of_sheets(terminal), successors, terminal, transport_so_pin=transport_so_pin
        )
    finally:
        parts.db.close()
        if parts.records is not None:
            parts.records.close()
        parts.kms.close()


def _demand_enough(candidate: Manifest) -> None:
    try:
        check_people(candidate)
    except ManifestError as error:
        raise ProposalRefusedError(
            error.detail, remedy="Nothing was changed. Name who else stays (--keep) or is new (--officer)."
        ) from None


def _demand_yes(terminal: Terminal) -> None:
    try:
        answer = terminal.ask("Type yes to go on: ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().casefold() != "yes":
        raise SheetsAbandonedError("not agreed to", remedy="Nothing was changed.")

"""`vaultctl rotate escrow` and `officer-shares`: which of the officers' steps is next, with its command."""

from dataclasses import dataclass

import typer

from vault_service.bootstrap.recovery import officers_host
from vault_service.cli.output import JsonOption, say
from vault_service.cli.rotate_status import look
from vault_service.cli.rotate_text import at, due_document, failures_text, rotation_document, rotation_line
from vault_service.recovery.escrow_cases import EscrowCase, escrow_cases
from vault_service.rotation.escrow import STEPS, Done, StepName, next_of_officers
from vault_service.rotation.next_step import counted
from vault_service.rotation.status import Status
from vault_service.settings import Settings, load_settings

_UNDER_WAY = ("key-ceremony", "escrow-rotation", "officer-change")


def register(group: typer.Typer) -> None:
    """Add both to the group."""
    group.command("escrow")(escrow)
    group.command("officer-shares")(officer_shares)


def escrow(as_json: JsonOption = False) -> None:
    """Show where the rotation of the escrow key stands, and the command of the step that is next.

    An operator cannot rotate this key: each step is a case of the officers, and is done by a ceremony. This
    changes nothing. Where this host is an officers' host too, cases that are under way are shown.

    \b
    Example:
      vaultctl rotate escrow
    """
    settings = load_settings()
    status = look(settings)
    cases = _cases(settings)
    executed = None
    if cases is not None:
        executed = [
            Done(each.kind, each.opened_at, each.result, each.everybody)
            for each in cases
            if each.state == "executed"
        ]
    now = next_of_officers(status, executed)
    under_way = [
        each for each in cases or () if each.state in {"open", "executing"} and each.kind in _UNDER_WAY
    ]
    guide = officers_steps(status, now)
    rotation = status.rotation("escrow")
    document = {
        "current": status.current("escrow").gen,
        "next": now,
        "steps": [{"step": each.name, "done": each.done, "command": each.command} for each in guide],
        "under_way": [
            {"case_id": str(each.case), "kind": each.kind, "state": each.state} for each in under_way
        ],
        "rotation": None if rotation is None else rotation_document(rotation),
    }
    say(document, as_json=as_json, text=_text(status, guide, now, under_way, cases_seen=cases is not None))


@dataclass(frozen=True, slots=True)
class _Step:
    name: StepName
    said: tuple[str, ...]
    command: str
    done: bool


def _cases(settings: Settings) -> tuple[EscrowCase, ...] | None:
    if settings.recovery is None:
        return None
    with officers_host(settings) as parts:
        return escrow_cases(parts)


def officers_steps(status: Status, now: StepName) -> list[_Step]:
    """All five, with what is said of each. `now`: the next one."""
    current = status.current("escrow").gen
    old = next((row.gen for row in status.of("escrow") if row.state == "retiring"), current)
    new = current if old != current else current + 1
    said: dict[StepName, tuple[str, ...]] = {
        "new-key": ("A key ceremony makes a new key in the escrow token.",),
        "current": (
            "An officer change lets new wraps be made to it. Number and key stand in the ceremony's log",
            "(journalctl -u vault-ceremony on its host): write both as they stand there.",
        ),
        "rewrap": ("An escrow rotation moves every older wrap to it. It takes the quorum of a disclosure.",),
        "drill": ("A drill over everybody shows whether every wrap opens. It takes the same quorum.",),
        "give-up": (
            f"An officer change gives generation {old} up, and a ceremony destroys it for good.",
            "Only if that drill passed: that it was held is seen here, not what it found. Its report",
            "(drills/ on the ceremony's host) must have nothing under failed: docs/runbooks/drill.md.",
            f"vaultctl rotate retire escrow {old} says which backups would need it.",
        ),
    }
    commands: dict[StepName, str] = {
        "new-key": "vaultctl recovery open key-ceremony --key FILE --reason 'new escrow key'",
        "current": f"vaultctl officer propose --key FILE --escrow-key 'escrow/{new}: 04…'",
        "rewrap": "vaultctl recovery open escrow-rotation --key FILE --reason 'to the new escrow key'",
        "drill": "vaultctl recovery open drill --everybody --key FILE --reason 'after the rotation'",
        "give-up": f"vaultctl officer propose --key FILE --destroy-escrow-key {old}",
    }
    return [
        _Step(name, said[name], commands[name], done=STEPS.index(name) < STEPS.index(now)) for name in STEPS
    ]


def _text(
    status: Status, guide: list[_Step], now: StepName, under_way: list[EscrowCase], *, cases_seen: bool
) -> str:
    current = status.current("escrow")
    due = next(each for each in status.due if each.kind == "escrow")
    lines = [
        f"escrow key: generation {current.gen} is current since {at(current.since)}"
        + (f"; due {due.at:%Y-%m-%d}" if due.at else "")
    ]
    for row in status.of("escrow"):
        if row.state == "retiring":
            needs = counted(status.needs.get(("escrow", row.gen), ()))
            lines.append(f"generation {row.gen} is retiring; needed by {needs}")
    if (rotation := status.rotation("escrow")) is not None:
        lines.append(rotation_line(rotation))
        if rotation.failed:
            lines.append(failures_text(rotation.failures, rotation.failed))
    lines += [
        "",
        "Only officers rotate it. Each step is a case: one opens it, others approve, a ceremony does it.",
    ]
    lines.append("If one is broken off, do it again: it goes on where it was, and nothing is lost.")
    lines.append("")
    for number, step in enumerate(guide, 1):
        mark = "done" if step.done else "NEXT" if step.name == now else "    "
        lines.append(f"{mark} {number}. {step.said[0]}")
        lines += [f"        {more}" for more in step.said[1:]]
        if step.name == now:
            lines += [f"        {step.command}", "        Then others approve, as that command says."]
    for each in under_way:
        lines += ["", f"Under way: case {each.case}, {each.kind}, {each.state}"]
        lines.append(f"   vaultctl recovery show {each.case}")
    if not cases_seen:
        lines += ["", "Cases cannot be read from this host: see vaultctl recovery list where officers work."]
    return "\n".join(lines)


def officer_shares(as_json: JsonOption = False) -> None:
    """Show since when the officers hold their shares, and how they get new ones.

    \b
    Example:
      vaultctl rotate officer-shares
    """
    status = look(load_settings())
    due = next(each for each in status.due if each.kind == "officer-shares")
    command = 'vaultctl recovery open drill --key FILE --reason "new shares"'
    since = at(due.since)
    when = "" if due.at is None else f"; {'DUE SINCE' if due.is_due(status.at) else 'due'} {due.at:%Y-%m-%d}"
    text = (
        f"The officers hold their shares of the escrow token's PIN since {since}{when}.\n"
        "Every ceremony replaces the PIN and gives each officer a new share, whatever it was held for.\n"
        "If none is held anyway, a drill does it, and nothing is released (docs/runbooks/drill.md):\n"
        f"{command}\n"
        "What officers keep of an older share opens nothing any more."
    )
    say(due_document(due, status.at) | {"command": command}, as_json=as_json, text=text)

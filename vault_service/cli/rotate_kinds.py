"""`vaultctl rotate pepper` and the other keys of the online token: make a new one, and move to it."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from vault_service.bootstrap.connections import operator_client
from vault_service.cli.output import EXIT_BROKEN_OFF, EXIT_FINDING, JsonOption, note, quiet, say
from vault_service.cli.rotate_progress import duration, shown
from vault_service.cli.rotate_retire import SAMPLE, verified_document, verified_text, verify_shown
from vault_service.cli.rotate_text import (
    at,
    failures_text,
    rotation_document,
    rotation_line,
    step_document,
    step_lines,
)
from vault_service.domain.errors import UnavailableError
from vault_service.domain.recovery_errors import NotConfirmedError
from vault_service.domain.rotation import REWRAPPED, OnlineKind
from vault_service.domain.rotation_errors import BrokenOffError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import RotationRow
from vault_service.policy.load import load_policies
from vault_service.policy.rotation_rules import RotationPolicy
from vault_service.rotation.next_step import counted, next_step
from vault_service.rotation.status import Status, read_status
from vault_service.rotation.steps import ONLINE_KINDS, Plan, begin, draw_plan, watch
from vault_service.settings import load_settings

_WHAT: dict[OnlineKind, str] = {
    "pepper": "the key of every wrap's outer layer",
    "login-index": "the key that turns a login into the index by which its user is found",
    "case": "the key that shows that a stored case is the one that was opened",
    "note": "the key that signs what a ceremony shows the officers",
    "audit-signing": "the key that signs both audit logs",
    "manifest": "the key that signs the manifest, which lists all others",
}
_AFTERWARDS: dict[OnlineKind, str] = {
    "case": "Cases that are open go on under the older one until they end.",
    "note": "Ceremonies that are open go on under the older one until they end, within an hour or so.",
    "audit-signing": "Until the older one is retired, both sign. What it signed verifies for good.",
    "manifest": "The new one was signed in by the older one. What that signed verifies for good.",
}

_WORTH_SAYING_S = 60.0

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
RateOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=1_000_000, help="Users a second over all workers; 0: no limit. By default the policy's."
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, max=64, help="Batches at once over all workers. By default the policy's.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Begin it and return; workers go on.")]
NewKeyOption = Annotated[
    bool,
    typer.Option("--new-key", help="Make another key, even if wraps are left on an older one or it is new."),
]


def register(group: typer.Typer) -> None:
    """Add a command for each kind."""
    for kind in ONLINE_KINDS:
        group.command(kind)(_of_wraps(kind) if kind in REWRAPPED else _of_key(kind))


def _of_wraps(kind: OnlineKind) -> Callable[..., None]:
    def rotate(
        dry_run: DryRunOption = False,
        rate: RateOption = None,
        workers: WorkersOption = None,
        yes: YesOption = False,
        no_wait: NoWaitOption = False,
        new_key: NewKeyOption = False,
        as_json: JsonOption = False,
    ) -> None:
        run(
            kind, dry_run=dry_run, rate=rate, workers=workers, yes=yes, wait=not no_wait, new_key=new_key,
            as_json=as_json,
        )  # fmt: skip

    rotate.__doc__ = f"""Rotate {_WHAT[kind]}, while users sign in and out.

    A new key is made and becomes current; workers move every user's wraps to it, in batches; a sample is
    opened again. Records are not touched, nobody needs a password or notices. Break it off whenever you like:
    the workers go on, and the same command watches them again, or goes on where it was. Exits 1 if any wrap
    does not open. The older key stays until vaultctl rotate retire.

    \b
    Examples:
      vaultctl rotate {kind} --dry-run
      vaultctl rotate {kind} --rate 500
    """
    return rotate


def _of_key(kind: OnlineKind) -> Callable[..., None]:
    def rotate(
        dry_run: DryRunOption = False,
        yes: YesOption = False,
        new_key: NewKeyOption = False,
        as_json: JsonOption = False,
    ) -> None:
        run(
            kind, dry_run=dry_run, rate=None, workers=None, yes=yes, wait=True, new_key=new_key,
            as_json=as_json,
        )  # fmt: skip

    rotate.__doc__ = f"""Rotate {_WHAT[kind]}.

    A new key is made and becomes current. Nothing is rewritten. The older key stays until vaultctl rotate
    retire.

    \b
    Examples:
      vaultctl rotate {kind} --dry-run
      vaultctl rotate {kind}
    """
    return rotate


def run(
    kind: OnlineKind,
    *,
    dry_run: bool,
    rate: int | None,
    workers: int | None,
    yes: bool,
    wait: bool,
    new_key: bool,
    as_json: bool,
) -> None:
    """Rotate a kind, and say what comes next."""
    settings = load_settings()
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    rules = policies.rotation
    rate, workers = _or(rate, rules.engine.rate), _or(workers, rules.engine.workers)
    with operator_client(settings) as kms:
        status = read_status(kms, rules.cryptoperiod_days)
        plan = draw_plan(kms, status, kind, new_key=new_key)
        said = _plan_text(status, plan, rate, workers)
        if dry_run:
            document = _plan_document(plan, rate, workers)
            say(document, as_json=as_json, text=f"{said}\n\nNothing has been changed.")
            return
        if not as_json:
            note(said + "\n")
        if plan.changes_keys and sys.stdin.isatty() and not yes and not typer.confirm("Go on?", err=True):
            raise NotConfirmedError
        try:
            _carry_out(kms, rules, plan, rate, workers, wait=wait, as_json=as_json)
        except UnavailableError as error:
            raise BrokenOffError(error.detail) from error
        except KeyboardInterrupt:
            note(f"\nBroken off. The same command goes on where it was: vaultctl rotate {kind}")
            raise typer.Exit(EXIT_BROKEN_OFF) from None


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def _carry_out(
    kms: KmsClient, rules: RotationPolicy, plan: Plan, rate: int, workers: int, *, wait: bool, as_json: bool
) -> None:
    kind = plan.kind
    rotation = begin(kms, plan, rate=rate, workers=workers, tell=quiet if as_json else note)
    verified = None
    if rotation is not None and not wait:
        text = f"It has begun, and the workers go on by themselves.\nTo watch: vaultctl rotate {kind}"
        say(rotation_document(rotation), as_json=as_json, text=text)
        return
    if rotation is not None:
        if not as_json:
            note("You may break this off with Ctrl-C or close the terminal: the workers go on.")
        try:
            with shown(as_json=as_json) as look:
                rotation = watch(kms, rotation, look)
        except KeyboardInterrupt:
            note("\n" + _left(kind))
            raise typer.Exit(EXIT_BROKEN_OFF) from None
        if rotation.state == "finished":
            verified = verify_shown(kms, SAMPLE, None, as_json=as_json)
    status = read_status(kms, rules.cryptoperiod_days)
    step = next_step(status, kind)
    lines = [] if plan.fresh else [_ended(kind, status, rotation)]
    if verified is not None:
        lines.append(verified_text(verified))
    lines += step_lines(step)
    document: dict[str, object] = {
        "kind": kind,
        "current": status.current(kind).gen,
        "rotation": None if rotation is None else rotation_document(rotation),
        "verified": None if verified is None else verified_document(verified),
        "next": step_document(step),
    }
    say(document, as_json=as_json, text="\n".join(lines))
    if (rotation is not None and rotation.failed) or (verified is not None and verified.failed):
        raise typer.Exit(EXIT_FINDING)


def _ended(kind: OnlineKind, status: Status, rotation: RotationRow | None) -> str:
    if rotation is None:
        current = status.current(kind)
        more = _AFTERWARDS.get(kind, "There is no wrap that has to be rewritten.")
        return f"Generation {current.gen} of the {kind} key is current. {more}"
    text = rotation_line(rotation)
    if rotation.failed:
        text += (
            f"\nThese do not open, and are as they were:\n{failures_text(rotation.failures, rotation.failed)}"
        )
    return text


def _left(kind: OnlineKind) -> str:
    return (
        "You have left; the rotation goes on without you. Nothing is lost, and nobody notices it.\n"
        "how it stands:     vaultctl rotate status\n"
        f"watch it again:    vaultctl rotate {kind}\n"
        f"let it wait:       vaultctl rotate pause {kind}"
    )


# --- what is about to be done


def _plan_text(status: Status, plan: Plan, rate: int, workers: int) -> str:
    kind, current = plan.kind, status.current(plan.kind)
    lines = [
        f"{kind}: {_WHAT[kind]}",
        f"generation {current.gen} is current since {at(current.since)}",
        "",
    ]
    if plan.fresh:
        lines.append("That is less than a day ago, and everything is on it: nothing is to be done.")
        lines.append(f"To make another key all the same: vaultctl rotate {kind} --new-key")
        return "\n".join(lines)
    number = 0

    def add(text: str) -> None:
        nonlocal number
        number += 1
        lines.append(f"{number}. {text}")

    if plan.watch is not None:
        add(f"watch the rotation that is under way: {rotation_line(plan.watch)}")
    if plan.create:
        add("make a new key in the online token; nothing uses it yet")
    if plan.changes_keys:
        gen = f"generation {plan.make_current}, which is prepared" if plan.make_current else "it"
        add(f"let everything new be made with {gen}; what is made with generation {current.gen} still works")
    if plan.start:
        speed = f"at most {rate:,} users a second" if rate else "as fast as it goes"
        most = max((number for _, number in plan.left), default=0)  # about as many as there are users
        if rate and most / rate >= _WORTH_SAYING_S:
            speed += f": {duration(most / rate)} at the least"
        add(f"let workers rewrite {counted(plan.left)}, {workers} batches at once, {speed}")
    if plan.start or plan.watch:
        add("open a sample of the new wraps again")
        lines += ["", "Safe to break off at any time: the same command goes on where it was."]
        lines.append("Users notice nothing, and no record is touched.")
    lines.append("No key is destroyed: that is vaultctl rotate retire, later.")
    return "\n".join(lines)


def _plan_document(plan: Plan, rate: int, workers: int) -> dict[str, object]:
    return {
        "kind": plan.kind,
        "creates_a_key": plan.create,
        "nothing_to_do": plan.fresh,
        "makes_current": plan.make_current,
        "watches": None if plan.watch is None else str(plan.watch.rotation_id),
        "rewrites": dict(plan.left) if plan.start else {},
        "rate": rate,
        "workers": workers,
    }

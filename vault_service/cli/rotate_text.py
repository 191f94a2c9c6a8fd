"""Rotations as an operator reads them: how each key stands, what comes next with the very command."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from vault_service.cli.rotate_progress import duration
from vault_service.domain.rotation import KEY_KINDS, DueKind, KeyKind
from vault_service.kms.protocol.rotation_messages import FailedWrap, GenerationRow, RotationRow
from vault_service.rotation.due import Due
from vault_service.rotation.next_step import Step, counted, next_step
from vault_service.rotation.status import Status


def at(time: datetime | str | None) -> str:
    """A time as people write it."""
    if time is None:
        return "not known"
    when = datetime.fromisoformat(time) if isinstance(time, str) else time
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def to_the_second(time: datetime) -> str:
    """The next whole second: a backup of the same minute must not look newer than it is."""
    whole = time.astimezone(UTC).replace(microsecond=0)
    later = whole if whole == time else whole + timedelta(seconds=1)
    return later.strftime("%Y-%m-%d %H:%M:%S UTC")


def step_lines(step: Step) -> Iterator[str]:
    """What comes next; the command in a line of its own, to be copied."""
    yield f"next: {step.text}"
    if step.command:
        yield f"      {step.command}"


# --- status


def status_text(status: Status) -> str:
    """What is to be done; then kind by kind, those in a line of which there is nothing to tell."""
    steps = {kind: next_step(status, kind) for kind in KEY_KINDS}
    calm = all(step.what in {"nothing", "running", "wait"} for step in steps.values())
    late = any(each.is_due(status.at) for each in status.due)
    lines = ["Nothing is to be done." if calm and not late else "What is to be done stands after next:", ""]
    for kind in KEY_KINDS:
        lines += _kind(status, kind, steps[kind])
    lines += [_due_line(each, status.at) for each in status.due if each.kind not in KEY_KINDS]
    if status.data_keys_due:
        lines.append(f"    {status.data_keys_due:,} users' data keys are due: docs/runbooks/rotation.md")
    return "\n".join(lines)


def _kind(status: Status, kind: KeyKind, step: Step) -> Iterator[str]:
    """The generations that are of any use still, newest first."""
    current = status.current(kind)
    since = f"generation {current.gen}, current since {at(current.since)}"
    yield f"{kind + ':':<15} {since}; {_until(status, kind)}"
    if current.in_token is False:
        yield "    ITS KEY IS NOT IN THE TOKEN: put the token's backup back"
    for row in reversed(status.of(kind)):
        if row.state in {"prepared", "retiring"} or (row.state == "destroyed" and row.in_token):
            yield f"    generation {row.gen}, {_state(row)}"
            yield f"        fingerprint {row.fingerprint}"
        if row.state == "retiring":
            yield f"        needed by {counted(status.needs.get((kind, row.gen), ()))}"
    if (rotation := status.rotation(kind)) is not None:
        yield f"    {rotation_line(rotation)}{_left(rotation, status.at)}"
    if step.what not in {"nothing", "due"}:
        yield from (f"    {line}" for line in step_lines(step))
    elif step.what == "due":
        yield f"    next: {step.command}"


def _state(row: GenerationRow) -> str:
    if row.state == "destroyed":
        return f"given up on {at(row.since)}, and still in the token"
    return f"{row.state} since {at(row.since)}"


def _until(status: Status, kind: DueKind) -> str:
    due = next((each for each in status.due if each.kind == kind), None)
    if due is None or due.at is None:
        return "when it is due is not known"
    return f"{'DUE SINCE' if due.is_due(status.at) else 'due'} {due.at:%Y-%m-%d}"


def _due_line(due: Due, now: datetime) -> str:
    since = f"since {at(due.since)}" if due.since else "since when is not known"
    when = "" if due.at is None else f"; {'DUE SINCE' if due.is_due(now) else 'due'} {due.at:%Y-%m-%d}"
    todo = f"\n    next: {due.command}" if due.is_due(now) else ""
    return f"{due.kind + ':':<15} {due.what}, {since}{when}{todo}"


def rotation_line(row: RotationRow) -> str:
    """One rotation in a line."""
    ended = f", ended {at(row.ended_at)}" if row.ended_at else ""
    return (
        f"rotation to {row.to_gen}: {row.state}, began {at(row.started_at)}{ended}: "
        f"looked at {row.looked_at:,} of {max(row.users, row.looked_at):,} users, "
        f"{row.rewrapped:,} wraps rewritten, {row.failed:,} do not open"
    )


def _left(row: RotationRow, now: datetime) -> str:
    """At the pace since it began, so longer where it was paused meanwhile."""
    spent = (now - datetime.fromisoformat(row.started_at)).total_seconds()
    left = row.users - row.looked_at
    if row.state != "running" or row.looked_at <= 0 or spent <= 0 or left <= 0:
        return ""
    return f"; about {duration(left * spent / row.looked_at)} left at the pace so far"


def failures_text(failures: tuple[FailedWrap, ...], number: int) -> str:
    """Whose wraps do not open."""
    lines = [f"  user {each.user_id}: {each.wrap} wrap" for each in failures]
    if number > len(failures):
        lines.append(f"  and {number - len(failures):,} more")
    return "\n".join(lines)


# --- the same for scripts


def status_document(status: Status) -> dict[str, object]:
    """Everything that the text says, and each fingerprint."""
    return {
        "at": status.at.isoformat(),
        "keys": [_kind_document(status, kind) for kind in KEY_KINDS],
        "rotations": [rotation_document(row) for row in status.rotations],
        "due": [due_document(each, status.at) for each in status.due],
        "data_keys_due": status.data_keys_due,
    }


def _kind_document(status: Status, kind: KeyKind) -> dict[str, object]:
    step = next_step(status, kind)
    return {
        "kind": kind,
        "generations": [
            {
                "gen": row.gen, "state": row.state, "since": row.since, "fingerprint": row.fingerprint,
                "in_token": row.in_token,
                "needed_by": dict(status.needs.get((kind, row.gen), ())) if row.state == "retiring" else None,
            }
            for row in status.of(kind)
        ],
        "next": step_document(step),
    }  # fmt: skip


def step_document(step: Step) -> dict[str, object]:
    """`what` is one of a few words; `command` is empty where there is nothing to do."""
    return {"what": step.what, "text": step.text, "command": step.command}


def rotation_document(row: RotationRow) -> dict[str, object]:
    """One rotation; at most a hundred failures stand in it, `failed` counts all."""
    return {
        "rotation_id": str(row.rotation_id), "kind": row.kind, "to_gen": row.to_gen, "state": row.state,
        "rate": row.rate, "workers": row.workers, "users": row.users, "looked_at": row.looked_at,
        "rewrapped": row.rewrapped, "failed": row.failed, "failures": failures_document(row.failures),
        "started_at": row.started_at, "ended_at": row.ended_at,
    }  # fmt: skip


def failures_document(failures: tuple[FailedWrap, ...]) -> list[dict[str, str]]:
    """Whose, and which wrap."""
    return [{"user_id": str(each.user_id), "wrap": each.wrap} for each in failures]


def due_document(due: Due, now: datetime) -> dict[str, object]:
    """Times are null where nobody knows."""
    left = due.days_left(now)
    return {
        "kind": due.kind, "what": due.what,
        "since": None if due.since is None else due.since.isoformat(),
        "due_at": None if due.at is None else due.at.isoformat(),
        "days_left": None if left is None else round(left, 1),
        "is_due": due.is_due(now), "command": due.command,
    }  # fmt: skip

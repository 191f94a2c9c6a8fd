"""Rotations as an operator reads them: how each key stands, what comes next with the very command."""

from collections.abc import Iterator
from datetime import UTC, datetime

from vault_service.domain.rotation import KEY_KINDS, KeyKind
from vault_service.kms.rotation_messages import FailedWrap, GenerationRow, RotationRow
from vault_service.rotation.due import Due
from vault_service.rotation.next_step import Step, counted, next_step
from vault_service.rotation.status import Status


def at(time: datetime | str | None) -> str:
    """A time as people write it."""
    if time is None:
        return "not known"
    when = datetime.fromisoformat(time) if isinstance(time, str) else time
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def step_lines(step: Step) -> Iterator[str]:
    """What comes next; the command in a line of its own, to be copied."""
    yield f"next: {step.text}"
    if step.command:
        yield f"      {step.command}"


# --- status


def status_text(status: Status) -> str:
    """Kind by kind: generations, rotation, what comes next; then what has no generations."""
    lines: list[str] = []
    for kind in KEY_KINDS:
        lines.append(kind)
        for row in reversed(status.of(kind)):
            lines += [f"  {line}" for line in _generation(status, row)]
        if (rotation := status.rotation(kind)) is not None:
            lines.append(f"  {rotation_line(rotation)}")
        lines += [f"  {line}" for line in step_lines(next_step(status, kind))]
    lines += [_due_line(each, status.at) for each in status.due if each.kind not in KEY_KINDS]
    if status.data_keys_due:
        lines.append(f"  {status.data_keys_due} users' data keys are due: docs/runbooks/rotation.md")
    return "\n".join(lines)


def _generation(status: Status, row: GenerationRow) -> Iterator[str]:
    gone = {True: ", its key still in the token", False: ", its key gone", None: ""}[row.in_token]
    yield f"{row.gen} {row.state} since {at(row.since)}{gone if row.state == 'destroyed' else ''}"
    if row.state != "destroyed" or row.in_token:
        yield f"  fingerprint {row.fingerprint}"
    if row.state == "retiring":
        yield f"  needed by: {counted(status.needs.get((row.kind, row.gen), ()))}"
    if row.state != "destroyed" and row.in_token is False:
        yield "  ITS KEY IS NOT IN THE TOKEN: put the token's backup back"


def _due_line(due: Due, now: datetime) -> str:
    if due.at is None:
        when = "since when is not known"
    else:
        when = f"{'DUE SINCE' if due.is_due(now) else 'due'} {at(due.at)}"
    return f"{due.kind}: {due.what}, {when}\n  {due.command}"


def rotation_line(row: RotationRow) -> str:
    """One rotation in a line."""
    ended = f", ended {at(row.ended_at)}" if row.ended_at else ""
    return (
        f"rotation to {row.to_gen}: {row.state}, began {at(row.started_at)}{ended}: "
        f"looked at {row.looked_at:,} of {row.users:,} users, "
        f"{row.rewrapped:,} wraps rewritten, {row.failed:,} do not open"
    )


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
                "needed_by": dict(status.needs[kind, row.gen]) if row.state == "retiring" else None,
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

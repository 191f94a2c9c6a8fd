"""A case as an officer reads it, who is no engineer: what is asked, how it stands, what comes next."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec

from vault_service.crypto.approvals import Judgement
from vault_service.domain.case import Case, from_case_time
from vault_service.domain.manifest import Manifest, parse_manifest
from vault_service.domain.manifest_difference import difference
from vault_service.domain.visible import visible
from vault_service.recovery.cases import Listed, ShownCase

_WHAT = {
    "regain": "give a user access again, with a new password that the user has chosen",
    "disclosure": "hand out a user's records to the recipient named below",
    "erasure": "destroy a user's keys: their records can never be read again",
    "drill": "prove that the escrow keys still open what they should; nothing is released",
    "key-ceremony": "make a new escrow key",
    "officer-change": "change who the officers are, or how many must agree",
    "escrow-rotation": "seal every user's data key to the escrow key named below; each of them passes the "
    "ceremony, and nothing is released",
}
_RESULTS = {
    "disclosure": "SHA-256 of the manifest beside the age file:",
    "drill": "SHA-256 of the report:",
    "key-ceremony": "SHA-256 of the new public key:",
    "officer-change": "SHA-256 of the new manifest:",
    "escrow-rotation": "SHA-256 of the report:",
    "regain": "SHA-256:",
    "erasure": "SHA-256:",
}
_ENDED = {
    "executed": "nothing: it has been carried out.",
    "cancelled": "nothing: it was cancelled. The user did, or signed in with the old password; or another "
    "case was carried out.",
    "vetoed": "nothing: an officer vetoed it.",
    "expired": "nothing: it expired undecided. Open a new case if it is still wanted.",
    "executing": "nothing from you: a ceremony is carrying it out.",
}
_MAKE_SURE = "that it is the user: the login and the six words are theirs to say, and not shown here"
Names = Callable[[UUID], str]


def names_of(manifest: Manifest) -> Names:
    """Officers by their names; whoever is none by the id."""
    known = {officer.officer_id: visible(officer.name) for officer in manifest.officers}
    return lambda officer: known.get(officer, f"{officer} (not an officer)")


def at(time: str) -> str:
    """A case's time as people write it."""
    return from_case_time(time).strftime("%Y-%m-%d %H:%M:%S UTC")


def next_step(shown: ShownCase, now: datetime) -> str:
    """What has to happen now, as a sentence."""
    if shown.state in _ENDED:
        return _ENDED[shown.state]
    if now >= from_case_time(shown.case.expires_at):
        return _ENDED["expired"]
    judgement = shown.judgement
    if judgement.vetoed_by:
        return _ENDED["vetoed"]
    missing = judgement.need - len(judgement.approved_by)
    if missing > 0:
        who = "one more officer has" if missing == 1 else f"{missing} more officers have"
        also = " (a ceremony waits: approving hands in the share as well)" if shown.ceremonies else ""
        return f"{who} to approve it: vaultctl recovery approve {shown.case.case_id} --key FILE{also}"
    if not shown.is_due(now):
        return f"wait until {at(shown.case.not_before)}; then a ceremony asks for your shares."
    if shown.ceremonies:
        return "a ceremony waits for shares, of as many as the quorum: vaultctl recovery release --key FILE"
    return "a ceremony has to run; once it waits, hand in your shares: vaultctl recovery release --key FILE"


def short_step(shown: ShownCase, now: datetime) -> str:
    """The same for a list."""
    if shown.state != "open" or shown.judgement.vetoed_by or now >= from_case_time(shown.case.expires_at):
        return ""
    missing = shown.judgement.need - len(shown.judgement.approved_by)
    if missing > 0:
        return f"{missing} more to approve"
    return "a ceremony, and your shares" if shown.is_due(now) else "wait until it is due"


def case_document(shown: ShownCase, names: Names, now: datetime) -> dict[str, object]:
    """For scripts; `canonical` is the text that is signed, `hash` its SHA-256."""
    judgement = shown.judgement
    return {
        "case_id": str(shown.case.case_id),
        "case": msgspec.to_builtins(shown.case),
        "canonical": shown.body.decode(),
        "hash": shown.digest.hex(),
        "state": shown.state,
        "need": judgement.need,
        "approved_by": [names(officer) for officer in judgement.approved_by],
        "vetoed_by": [names(officer) for officer in judgement.vetoed_by],
        "ceremonies": [str(ceremony) for ceremony in shown.ceremonies],
        "result": None if shown.result is None else shown.result.hex(),
        "not_counted": [
            {"officer": names(officer), "code": error.code, "detail": error.detail}
            for officer, error in judgement.refused
        ],
        "next": next_step(shown, now),
    }


def case_text(shown: ShownCase, manifest: Manifest, now: datetime) -> str:
    """For people: the case in words, then the very text that an approval signs."""
    names = names_of(manifest)
    judgement, case = shown.judgement, shown.case
    rows = [
        ("case", str(case.case_id)),
        ("kind", f"{case.kind}: {_WHAT[case.kind]}"),
        ("state", shown.state),
        ("asked by", names(case.requester) if case.requester else "somebody, through an app"),
        *([("make sure", _MAKE_SURE)] if case.kind == "regain" else []),
        *_about(case),
        ("reason", visible(case.reason) or "none given"),
        ("opened", at(case.opened_at)),
        ("due from", at(case.not_before)),
        ("expires", at(case.expires_at)),
        ("approvals", _count(judgement) + _named(judgement.approved_by, names)),
        *(("vetoed by", names(who) + _why_vetoed(judgement, who)) for who in judgement.vetoed_by),
        *(("not counted", f"{names(who)}: {error.detail}") for who, error in judgement.refused),
        *([("result", f"{_RESULTS[case.kind]} {shown.result.hex()}")] if shown.result else []),
        ("next", next_step(shown, now)),
    ]  # fmt: skip
    text = "\n".join(f"{name + ':':<13}{value}" for name, value in rows)
    if shown.proposed is not None and case.kind == "officer-change":
        text += "\n\n" + _change_text(shown.state, parse_manifest(shown.proposed), manifest)
    return (
        f"{text}\n\nAn approval signs exactly this text:\n{visible(shown.body.decode())}\n"
        f"SHA-256 of it:\n{shown.digest.hex()}"
    )


def listed_text(listed: Listed, names: Names, now: datetime) -> str:
    """A few lines that fit on any screen; the id stands in one piece, to be copied."""
    shown = listed.shown
    if shown is None:
        return f"{listed.case_id}  ALTERED: {_why(listed)}\n    do not approve it; tell the operator"
    count = _count(shown.judgement) + _named(shown.judgement.approved_by, names)
    lines = [
        f"{listed.case_id}  {shown.case.kind}, {shown.state}",
        f"    due from {at(shown.case.not_before)}, approvals: {count}",
        *([f"    next: {step}"] if (step := short_step(shown, now)) else []),
    ]
    return "\n".join(lines)


def listed_document(listed: Listed, names: Names, now: datetime) -> dict[str, object]:
    """The same for scripts."""
    shown = listed.shown
    if shown is None:
        return {"case_id": str(listed.case_id), "state": "altered", "error": _why(listed)}
    case, judgement = shown.case, shown.judgement
    return {
        "case_id": str(listed.case_id), "kind": case.kind, "state": shown.state, "hash": shown.digest.hex(),
        "opened_at": case.opened_at, "due_at": case.not_before, "expires_at": case.expires_at,
        "need": judgement.need, "approved_by": [names(who) for who in judgement.approved_by],
        "next": short_step(shown, now),
    }  # fmt: skip


def _why(listed: Listed) -> str:
    return "" if listed.error is None else listed.error.detail


def _count(judgement: Judgement) -> str:
    return f"{len(judgement.approved_by)} of {judgement.need}"


def _why_vetoed(judgement: Judgement, officer: UUID) -> str:
    reason = judgement.reasons.get(officer, "")
    return f": {visible(reason)}" if reason else ""


def _named(officers: tuple[UUID, ...], names: Names) -> str:
    return f" ({', '.join(map(names, officers))})" if officers else ""


def _about(case: Case) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if case.user_id is not None:
        rows.append(("about", f"user {case.user_id}"))
    if case.stolen:
        rows.append(("warning", "the old password may be in somebody else's hands"))
    if case.recipient is not None:
        rows.append(("recipient", case.recipient))
    for part in case.scope.collections:
        fields = ", ".join(map(visible, part.fields)) or "every field"
        rows.append(("hands out", f"{visible(part.collection)}: {fields}"))
    if case.kind == "drill":
        rows.append(("how many", f"{case.scope.sample} users" if case.scope.sample else "all users"))
    if case.kind == "escrow-rotation":
        rows.append(("escrow key", f"{case.escrow_gen}, the current one when the case was opened"))
    return rows


def _change_text(state: str, proposed: Manifest, current: Manifest) -> str:
    """What would be another way: each difference in a line of its own."""
    if state == "executed":
        return f"It has made manifest {proposed.serial}; the present one is {current.serial}."
    if proposed.serial != current.serial + 1:
        return (
            f"It proposes manifest {proposed.serial}, and the present one is {current.serial} already:\n"
            "another change was carried out first. If this one is still wanted, it has to be proposed again."
        )
    lines = [f"It proposes manifest {proposed.serial}, after the present {current.serial}:"]
    return "\n".join(lines + [f"  {visible(line)}" for line in difference(current, proposed)])

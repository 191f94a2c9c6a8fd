"""Receipts: what a person can check of the accesses to their own data, and an auditor of any one event."""

import json
from typing import cast

from vault_service.verify.findings import NoteError, Report, UnreadableError
from vault_service.verify.notes import b64, log_of, parse_checkpoint, read_keys, vouched
from vault_service.verify.trails import LEAF
from vault_service.verify.tree import HASH, included, leaf_hash


def verify_receipts(document: bytes, key_file: bytes, *, cosignatures: int | None = None) -> Report:
    """Check the answer of GET /v1/me/receipts, or an event's proof from the console. Raises UnreadableError.

    The report names the log: the accesses to somebody's data stand in the records log.
    """
    report, keys = Report(), read_keys(key_file)
    try:
        bundle = _object(json.loads(document, object_pairs_hook=_unique))
        version, log = bundle["v"], bundle["log"]
        if type(version) is not int or version != 1 or not isinstance(log, str) or log not in LEAF:
            raise ValueError
        user, note, unsealed = bundle["user_id"], bundle["checkpoint"], bundle["unsealed"]
        receipts = [_object(one) for one in _list(bundle["receipts"])]
        if (
            not isinstance(user, str)
            or not (isinstance(note, str) or (note is None and not receipts))
            or type(unsealed) is not int
            or unsealed < 0
        ):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnreadableError(
            "this is not the answer of GET /v1/me/receipts, nor an event's proof",
            "Save the answer as it came, byte for byte.",
        ) from None
    if not isinstance(note, str):
        report.sound.append("0 receipts: the log had no checkpoint yet")
        report.notices.append(
            f"nothing was sealed yet, so nothing is proven; {unsealed} accesses wait for it: "
            "fetch again in a minute"
        )
        return report
    try:
        checkpoint = parse_checkpoint(note)
        if log_of(checkpoint, keys)[0] != log:
            raise NoteError("note.origin", f"it is not a checkpoint of the {log} log")
        vouch = vouched(checkpoint, keys, log)
    except NoteError as error:
        report.find(error.finding, str(error), log=log)
        return report
    demanded = min(1, keys.cosigners) if cosignatures is None else cosignatures
    if len(vouch.cosigned) < demanded:
        report.find("note.cosignatures", f"{len(vouch.cosigned)} of {demanded} cosignatures", log=log)
    seen: set[int] = set()
    events: dict[bytes, int] = {}
    for number, receipt in enumerate(receipts):
        index, text, proof = receipt.get("index"), receipt.get("leaf"), receipt.get("proof")
        if (
            type(index) is not int
            or not isinstance(text, str)
            or not isinstance(proof, list)
            or index in seen
        ):
            report.find(
                "receipt.form", f"receipt {number} (from 0) is not an index of its own, a leaf and a proof"
            )
            continue
        seen.add(index)
        leaf = text.encode("utf-8", "replace")
        try:
            hashes = [_hash(one) for one in _list(receipt["proof"])]
        except NoteError as error:
            report.find("receipt.form", f"the proof's form: {error}", log=log, index=index)
            continue
        match = LEAF[log].fullmatch(leaf)
        if not match:
            report.find("leaf.form", "it is not written as an event of this log is", log=log, index=index)
        elif match["user_id"] != user.encode("utf-8", "replace"):
            report.find("receipt.user", "the event is about somebody else", log=log, index=index)
        elif events.setdefault(match["event_id"], index) != index:
            before = events[match["event_id"]]
            report.find("event.twice", f"the same event is leaf {before}, too", log=log, index=index)
        if not included(leaf_hash(leaf), index, checkpoint.size, hashes, checkpoint.root):
            report.find("receipt.proof", "it does not lead from this event to the checkpoint", log=log,
                        index=index)  # fmt: skip
    report.sound.append(
        f"{len(receipts)} receipts against a checkpoint of {checkpoint.size} leaves of the {log} log"
    )
    if unsealed:
        report.notices.append(f"{unsealed} accesses are too young to be sealed: fetch again in a minute")
    return report


def _hash(value: object) -> bytes:
    hash_ = b64(value if isinstance(value, str) else "?", "a hash")
    if len(hash_) != HASH:
        raise NoteError("receipt.form", f"a hash has {len(hash_)} bytes, not {HASH}")
    return hash_


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return cast("list[object]", value)


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError
    return cast("dict[str, object]", value)

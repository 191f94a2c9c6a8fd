"""Verify an export, and say what was found in a form that a test can compare."""

from tests.verify.exports import Export, key_file
from vault_service.verify.export import verify_export
from vault_service.verify.findings import Report

Place = int | str | None
Found = set[tuple[str, Place, Place]]


def report(export: Export, *, held: dict[str, str] | None = None, cosignatures: int | None = None) -> Report:
    notes = {source: note.encode() for source, note in (held or {}).items()}
    return verify_export(export.folder, key_file(), checkpoints=notes, cosignatures=cosignatures)


def found(of: Report) -> Found:
    """Name, first and last index of each finding."""
    wheres = [(one.name, one.where) for one in of.findings]
    return {(name, where.get("index"), where.get("last", where.get("index"))) for name, where in wheres}


def names(of: Report) -> set[str]:
    return {one.name for one in of.findings}

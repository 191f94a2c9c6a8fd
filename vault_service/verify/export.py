"""A whole export: its files, both logs, and the one held against the other."""

from collections.abc import Mapping
from pathlib import Path

from vault_service.verify.findings import NoteError, Report
from vault_service.verify.folder import Folder
from vault_service.verify.log import LogCheck
from vault_service.verify.notes import LOGS, log_of, parse_checkpoint, read_keys
from vault_service.verify.reading import Claim
from vault_service.verify.trails import Trail, compare
from vault_service.verify.tree import tile_paths

_FILES = ("events.jsonl", "checkpoint", "checkpoints.jsonl", "held.jsonl")


def verify_export(
    root: Path,
    key_file: bytes,
    *,
    checkpoints: Mapping[str, bytes] | None = None,
    cosignatures: int | None = None,
) -> Report:
    """Check an export against the keys that the auditor holds.

    `checkpoints` are notes that somebody else holds, by where they come from; each log must contain its
    own. `cosignatures` is how many the newest checkpoint of each log must have; without it, one if the key
    file has a cosigning key. Raises UnreadableError.
    """
    report, keys = Report(), read_keys(key_file)
    folder = Folder(root, report)
    if folder.read("audit.vkey") not in (None, key_file):
        report.find("key.differs", "the export's keys are not the ones that you hold", file="audit.vkey")
    demanded = min(1, keys.cosigners) if cosignatures is None else cosignatures
    checks = {log: LogCheck(log, folder, keys, report) for log in LOGS}
    outside: dict[str, list[Claim]] = {log: [] for log in LOGS}
    for source, note in (checkpoints or {}).items():
        try:
            log, _ = log_of(parse_checkpoint(note.decode("utf-8", "replace")), keys)
        except NoteError as error:
            report.find(error.finding, str(error), file=source)
            continue
        opened = checks[log].open(note, source, saved=False, file=source)
        if opened:
            outside[log].append(opened[0])
    trails: dict[str, Trail] = {}
    expected = {"MANIFEST", "audit.vkey"} | {f"{log}/{name}" for log in LOGS for name in _FILES}
    for log, check in checks.items():
        unlocks = trails["keys"].unlocks if "keys" in trails else set[bytes]()
        if trail := check.run(outside[log], demanded, unlocks):
            trails[log] = trail
        if check.newest is None:  # which tiles belong to it cannot be told
            expected |= {path for path in folder.files if path.startswith(f"{log}/tile/")}
        else:
            expected |= {f"{log}/{path}" for path in tile_paths(check.newest.size)}
    for path in sorted(expected - folder.files.keys()):
        report.find("file.missing", "an export of this size has it", file=path)
    folder.unexpected(expected)
    keys_log, records_log = checks["keys"], checks["records"]
    if len(trails) < len(LOGS) or keys_log.damaged or records_log.damaged:
        report.notices.append("the trails were not held against each other: a log is not what was logged")
    else:
        times = keys_log.cosigned_at, records_log.cosigned_at
        compare(trails["keys"], trails["records"], report, times, keys_log.lost)
    return report

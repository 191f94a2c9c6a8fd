"""`python -m vault_service.verify DIR --key FILE`: the verifier where no vault is installed."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vault_service.verify.export import verify_export
from vault_service.verify.findings import Report, UnreadableError
from vault_service.verify.receipts import verify_receipts

SOUND, FINDINGS, USAGE, UNREADABLE = 0, 1, 2, 3
EXIT_CODES = "0 sound; 1 there are findings; 2 wrong usage; 3 the export or the key file cannot be read."


def check_export(
    root: Path, key: Path, checkpoints: Sequence[Path], cosignatures: int | None
) -> Callable[[], Report]:
    """A verification of an export, to be run by `answer`."""

    def run() -> Report:
        notes = {str(path): path.read_bytes() for path in checkpoints}
        return verify_export(root, key.read_bytes(), checkpoints=notes, cosignatures=cosignatures)

    return run


def check_receipts(file: Path, key: Path, cosignatures: int | None) -> Callable[[], Report]:
    """A verification of receipts, to be run by `answer`."""
    return lambda: verify_receipts(file.read_bytes(), key.read_bytes(), cosignatures=cosignatures)


def answer(run: Callable[[], Report], *, as_json: bool) -> int:
    """Print what was found, for people or for scripts; the exit code."""
    try:
        report = run()
    except (UnreadableError, OSError) as error:
        remedy = (error if isinstance(error, UnreadableError) else UnreadableError("")).remedy
        said = {"code": "audit.unreadable", "detail": str(error), "remedy": remedy}
        problem = json.dumps({"error": said}) if as_json else f"error: {error}\nremedy: {remedy}"
        sys.stderr.write(problem + "\n")
        return UNREADABLE
    document = json.dumps(report.document(), indent=2) if as_json else report.text()
    sys.stdout.write(document + "\n")
    return FINDINGS if report.findings else SOUND


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, verify, print."""
    parser = argparse.ArgumentParser(
        "vault_service.verify", description=__doc__, epilog=f"Exit codes: {EXIT_CODES}"
    )
    parser.add_argument("path", type=Path, metavar="DIR", help="the export (with --receipts: the file)")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="audit.vkey as you hold it")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], metavar="FILE",
                        help="a checkpoint that you or somebody else kept; may be repeated")  # fmt: skip
    parser.add_argument(
        "--cosignatures", type=int, metavar="N", help="how many the newest checkpoints must have"
    )
    parser.add_argument("--receipts", action="store_true", help="DIR is a file of GET /v1/me/receipts")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args(arguments)
    if asked.cosignatures is not None and asked.cosignatures < 0:
        parser.error("--cosignatures cannot be negative")
    if asked.receipts:
        return answer(check_receipts(asked.path, asked.key, asked.cosignatures), as_json=asked.json)
    run = check_export(asked.path, asked.key, asked.checkpoint, asked.cosignatures)
    return answer(run, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())

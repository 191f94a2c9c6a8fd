"""What a check of `vaultctl doctor` found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; what is not ok makes doctor exit 1."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


def warning(check: str, detail: str, remedy: str) -> Finding:
    """Something that runs, and that production should not run with."""
    return Finding(check, True, f"warning: {detail}", remedy)

"""What was found, where, and what to do about it."""

from collections import Counter
from dataclasses import asdict, dataclass, field

SHOWN = 20  # findings of one name and log that are listed one by one; the rest are counted

_COPY = "Export again and compare; a copy damaged on its way differs, a database does not."
_DATABASE = (
    "Keep this export as evidence. Find out who had superuser rights on this log's database since the last "
    "sound export, and compare with its backups."
)
_KEYS = "Ask the operator for a sound export; keep this one. Trust nothing in it that only this note shows."
_ALARM = (
    "Treat it as tampering: keep this export and every checkpoint, rely on it no more, and have somebody "
    "independent of its operators look at both databases and the key service."
)
ADVICE = {
    "file.unnamed": "Remove nothing; ask who put it there. " + _COPY,
    "file.missing": _COPY,
    "file.altered": _COPY,
    "file.last_newline": "The file may have been cut off. " + _COPY,
    "manifest.form": _COPY,
    "key.differs": "Find out over another channel which keys are right, before you trust either.",
    "note.form": _KEYS,
    "note.signature": _KEYS,
    "note.origin": "It belongs to another log or vault: ask for the right one.",
    "note.cosignatures": "Nobody independent vouches for it. Look at the witnesses, then export again.",
    "leaf.form": "The writer's version may be newer than this verifier; if it is not: " + _DATABASE,
    "leaf.edited": _DATABASE,
    "leaf.missing": _DATABASE,
    "leaf.deleted": _DATABASE,
    "leaf.inserted": _DATABASE,
    "leaf.reordered": _DATABASE,
    "log.truncated": _DATABASE,
    "log.rewritten": _ALARM,
    "log.fork": _ALARM,
    "tile.altered": "The events are sound; their tree in the database or in this copy is not. " + _COPY,
    "log.restore_unexplained": "Ask who restored which backup when, and who accepted it. " + _ALARM,
    "cross.record_without_session": _ALARM,
    "cross.session_without_unlock": _ALARM,
    "cross.unlock_reused": _ALARM,
    "event.twice": _DATABASE,
    "receipt.form": "Fetch the receipts again (GET /v1/me/receipts).",
    "receipt.proof": "Keep the file, fetch the receipts again; if it stays, show both to the auditor.",
    "receipt.user": "These are not all receipts of one person: fetch your own (GET /v1/me/receipts).",
}


class UnreadableError(Exception):
    """The export, the key file or a checkpoint cannot be read at all."""

    def __init__(
        self, what: str, remedy: str = "Name a file that can be read, in the form that it had."
    ) -> None:
        super().__init__(what)
        self.remedy = remedy


class NoteError(Exception):
    """A note is refused; `finding` is the name of the finding."""

    def __init__(self, finding: str, what: str) -> None:
        super().__init__(what)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    name: str
    log: str | None
    where: dict[str, int | str]  # index and last (leaves, from 0), size (of a checkpoint), file, line
    what: str

    @property
    def place(self) -> str:
        """The same in words."""
        where, words = self.where, [f"{self.log} log"] if self.log else []
        if "index" in where:
            first, last = where["index"], where.get("last", where["index"])
            words.append(f"leaf {first}" if first == last else f"leaves {first} to {last}")
        words += [f"{name} {where[name]}" for name in ("size", "file", "line") if name in where]
        return ", ".join(words)


@dataclass(slots=True)
class Report:
    """Everything that one verification found."""

    findings: list[Finding] = field(default_factory=list[Finding])
    notices: list[str] = field(default_factory=list[str])
    sound: list[str] = field(default_factory=list[str])  # what was checked, a line each
    counts: Counter[tuple[str, str | None]] = field(default_factory=Counter[tuple[str, str | None]])

    def find(self, name: str, what: str, *, log: str | None = None, **where: int | str) -> None:
        """Add a finding; of very many alike only the first are kept, and a file is missing only once."""
        if name.startswith("file.") and any((one.name, one.where) == (name, where) for one in self.findings):
            return
        self.counts[name, log] += 1
        if self.counts[name, log] <= SHOWN:
            self.findings.append(Finding(name, log, where, what))

    def found(self, log: str, *prefixes: str) -> bool:
        """Whether this log has a finding whose name begins so."""
        return any(of == log and name.startswith(prefixes) for name, of in self.counts)

    def document(self) -> dict[str, object]:
        """For scripts."""
        return {
            "sound": not self.findings,
            "checked": self.sound,
            "findings": [asdict(one) | {"place": one.place, "do": ADVICE[one.name]} for one in self.findings],
            "counts": [
                {"name": name, "log": log, "count": count} for (name, log), count in self.counts.items()
            ],
            "notices": self.notices,
        }

    def text(self) -> str:
        """For people."""
        many = "" if self.counts.total() == 1 else "s"
        lines = [f"NOT SOUND: {self.counts.total()} finding{many}" if self.findings else "sound"]
        for one in self.findings:
            lines += [f"{one.name}: {one.place}", f"  found: {one.what}", f"  do: {ADVICE[one.name]}"]
        for (name, log), count in self.counts.items():
            if count > SHOWN:
                lines.append(f"{name}: {log or ''} and {count - SHOWN} more")
        lines += [f"notice: {notice}" for notice in self.notices]
        return "\n".join(lines + [f"checked: {line}" for line in self.sound])


def shown(name: str) -> str:
    """A name from outside, without what could steer a terminal."""
    return name.encode("ascii", "backslashreplace").decode() if name.isprintable() else ascii(name)[1:-1]

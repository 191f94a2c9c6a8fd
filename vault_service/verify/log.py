"""One log of an export: read it, and name what was changed, cut off, forked or restored."""

import heapq
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from vault_service.verify.difference import changes, ranges
from vault_service.verify.findings import NoteError, Report
from vault_service.verify.folder import Folder
from vault_service.verify.notes import MAX_NOTE, Keys, Vouched, log_of, parse_checkpoint, vouched
from vault_service.verify.reading import MAX_LINE, NULL, Claim, Reading, Side
from vault_service.verify.trails import EPOCH, Trail, twice
from vault_service.verify.tree import HASH, WIDTH, leaf_hash, tile_path

# A signed size that no file here can hold would keep the auditor's machine busy for years.
_BELIEVED = 1_000_000  # leaves more than the export has room for
_SAY = {
    "leaf.edited": "the line is not the event that the log holds here",
    "leaf.deleted": "the log's event of this index has no line; the lines after it have moved up",
    "leaf.inserted": "the line (counted from 0) is no event of the log",
    "leaf.reordered": "the event of this index stands on another line",
    "log.truncated": "the log's last events have no line",
}


class LogCheck:
    """The verification of one log."""

    def __init__(self, log: str, folder: Folder, keys: Keys, report: Report) -> None:
        self.log, self._folder, self._keys, self._report = log, folder, keys, report
        self._last_saved: bytes | None = None
        self._trail = Trail(log)
        self.newest: Claim | None = None  # None: there is nothing to compare the log with
        self.cosigned_at: int | None = None  # the latest cosignature of it, seconds since 1970
        self.lost: list[tuple[bytes, bytes]] = []  # spans, first and last `at`, that restores lost

    def run(self, outside: list[Claim], cosignatures: int, unlocks: set[bytes]) -> Trail | None:
        """Read it all; None when there is nothing to compare it with. `outside` is what the auditor holds."""
        where = f"{self.log}/checkpoint"
        note, lines = self._folder.read(where), self._folder.path(f"{self.log}/events.jsonl")
        opened = self.open(note, where, file=where) if note is not None else None
        if opened is None or lines is None:
            return None  # a finding already
        newest, vouch = opened
        if newest.size > self._room(lines) + _BELIEVED:
            what = f"the newest checkpoint is of {newest.size} leaves, and almost none of them are here"
            self._find("log.truncated", what, size=newest.size, file=where)
            return None
        self.newest, self.cosigned_at = newest, max(vouch.cosigned.values(), default=None)
        if "signing" not in vouch.signed_by:
            self._find("note.signature", "only a retired key has signed the newest checkpoint", file=where)
        if len(vouch.cosigned) < cosignatures:
            few = f"{len(vouch.cosigned)} of {cosignatures} cosignatures"
            self._find("note.cosignatures", few, file=where)
        brought = outside
        outside = sorted([*self._notes("held.jsonl", saved=False), *brought], key=_size)
        with lines.open("rb") as file:
            reading = Reading(file, self._tile, newest.size)
            later = reading.run(
                heapq.merge(self._saved(), [newest], outside, key=_size), self._trail, unlocks
            )
            beyond = sum(1 for _ in iter(lambda: file.readline(MAX_LINE), b""))
        if note != self._last_saved:
            self._find("note.form", "it is not the last line of checkpoints.jsonl", file=where)
        side = self._name(reading, newest, lines, beyond)
        abandoned = self._restores(newest, side, outside)
        strangers = [*side.foreign, *later]
        self._strangers(newest, side, abandoned, strangers)
        self._say_events(lines)
        self._say_head(newest, vouch)
        contained = sum(claim not in strangers for claim in brought)
        if contained and side.is_log(newest.size):  # else some were not reached
            held = f"contains {contained} of the {len(brought)} that you brought"
            self._report.sound.append(f"{self.log} log, checkpoints: {held}")
        return self._trail

    def _say_head(self, newest: Claim, vouch: Vouched) -> None:
        """An old export stays sound for ever: only the time says that it is one."""
        at = self.cosigned_at
        time = "" if at is None else f", last at {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        names = ", ".join(self._keys.names(vouch.cosigned)) or "nobody"
        restored = f" (goes on from a restored backup: generation {newest.generation})"
        self._report.sound.append(
            f"{self.log} log: {newest.size} events{restored if newest.generation > 1 else ''}, "
            f"cosigned by {names}{time}"
        )

    def _room(self, lines: Path) -> int:
        """More leaves than the export's lines or tiles hold: a line has a byte at least."""
        tiles = sum(path.startswith(f"{self.log}/tile/0/") for path in self._folder.files)
        return lines.stat().st_size + tiles * WIDTH

    def _find(self, name: str, what: str, **where: int | str) -> None:
        self._report.find(name, what, log=self.log, **where)

    # --- notes

    def open(
        self, note: bytes | str, source: str, *, saved: bool = True, **where: int | str
    ) -> tuple[Claim, Vouched] | None:
        """A checkpoint of this log, and who vouches for it; None, and a finding, for anything else."""
        try:
            checkpoint = parse_checkpoint(note if isinstance(note, str) else note.decode("utf-8"))
            log, generation = log_of(checkpoint, self._keys)
            if log != self.log:
                raise NoteError("note.origin", f"it is a checkpoint of the {log} log")
            vouch = vouched(checkpoint, self._keys, self.log)
        except UnicodeDecodeError:
            self._find("note.form", "the note is not UTF-8", **where)
        except NoteError as error:
            self._find(error.finding, str(error), **where)
        else:
            return Claim(checkpoint, generation, source, int(where.get("line", 0)), saved), vouch
        return None

    def _notes(self, name: str, *, saved: bool) -> Iterator[Claim]:
        """A file with one note a line, each a JSON string."""
        name = f"{self.log}/{name}"
        path = self._folder.path(name)
        if path is None:
            return
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(6 * MAX_NOTE), b""), 1):
                try:
                    note: object = json.loads(line)
                except (ValueError, RecursionError):
                    note = None
                if not isinstance(note, str):
                    self._find("note.form", "the line is not one JSON string", file=name, line=number)
                    continue
                if saved:
                    self._last_saved = note.encode("utf-8", "replace")
                if opened := self.open(note, name, saved=saved, file=name, line=number):
                    yield opened[0]

    def _saved(self) -> Iterator[Claim]:
        size, generation = -1, 1
        for claim in self._notes("checkpoints.jsonl", saved=True):
            where: dict[str, int | str] = {"file": claim.source, "line": claim.line}
            if claim.size <= size:
                self._find("note.form", "the sizes do not rise from line to line", **where)
                continue
            if claim.generation < generation:
                self._find("note.origin", "it is of before a restore, and stands after it", **where)
            size, generation = claim.size, claim.generation
            yield claim

    # --- what was changed

    def _name(self, reading: Reading, newest: Claim, lines: Path, beyond: int) -> Side:
        """Decide whether lines or tiles are the log that was signed; name what differs. The better side."""
        size, by_lines, by_tiles = newest.size, reading.by_lines, reading.by_tiles
        side = by_lines if by_lines.is_log(size) and not by_tiles.is_log(size) else by_tiles
        for first, last in ranges(reading.missing):
            self._find("leaf.missing", "the event is gone from the database", index=first, last=last)
        altered = {tile_path(0, index, min(WIDTH, size - index * WIDTH)) for index in reading.cut}
        if side is not by_tiles:  # the lines are the log
            altered |= {tile_path(0, index, min(WIDTH, size - index * WIDTH)) for index in reading.differing}
        if reading.first is not None and side is by_tiles:
            self._name_leaves(reading, reading.first, size, lines)
        elif beyond:
            self._find("leaf.inserted", _SAY["leaf.inserted"], index=size, last=size + beyond - 1)
        if side.tree.size == size:
            side.tree.finish()
        if side.is_log(size):
            altered |= set(side.tree.altered)
        elif side.bad or not (reading.first is not None or reading.missing):
            good, bad = side.good, (side.bad or [size])[0]
            more = f"; not remade with them: {', '.join(side.tree.altered[:5])}" if side.tree.altered else ""
            what = f"the checkpoint of size {good} agrees, that of size {bad} does not: leaves between them "
            what += f"were changed, and their tiles with them{more}"
            self._find("log.rewritten", what, index=good, last=bad - 1, size=bad)
        for path in sorted(altered):
            self._find("tile.altered", "it is not the tree of the log's events", file=f"{self.log}/{path}")
        for forked in side.forks:
            self._find("log.fork", "a saved checkpoint, signed, that this log does not contain", size=forked)
        return side

    def _name_leaves(self, reading: Reading, first: int, size: int, lines: Path) -> None:
        """A second pass over the region in which lines and tiles do not agree."""
        old = bytearray()
        with lines.open("rb") as file:
            here = [
                None if line == NULL else leaf_hash(line.removesuffix(b"\n"))
                for line in islice(iter(lambda: file.readline(MAX_LINE), b""), first, None)
            ]
        tile: bytes | None = None
        for index in range(first, size):
            if index == first or index % WIDTH == 0:
                tile = reading.leaf_tile(index // WIDTH)
            at = index % WIDTH * HASH
            mine = here[index - first] if index - first < len(here) else None
            old += tile[at : at + HASH] if tile else mine or bytes(HASH)
        new = b"".join(
            hash_ or bytes(old[at * HASH : at * HASH + HASH]) or bytes(HASH) for at, hash_ in enumerate(here)
        )
        for name, begin, end in changes(new, bytes(old), first):
            self._find(name, _SAY[name], index=begin, last=end)

    def _tile(self, path: str) -> bytes | None:
        return self._folder.read(f"{self.log}/{path}")

    # --- forks and restores

    def _restores(self, newest: Claim, side: Side, outside: list[Claim]) -> dict[int, tuple[Claim, int]]:
        """Each generation that was given up: its last head, and up to which size the log still contains it.

        A restore is explained by an event in the log that holds the hash of what was given up.
        """
        abandoned: dict[int, tuple[Claim, int]] = {}
        for generation in range(1, newest.generation):
            own = [head for head in outside if head.generation == generation]
            head = next((head for head in own if head.digest in self._trail.restored), None)
            if head is None:
                what = f"generation {generation} was given up, and no event log_restored names its last head"
                self._find("log.restore_unexplained", what, size=newest.size)
                continue
            older = [side.contained[one] for one in side.contained if one <= generation]
            common, since = max(older, default=(0, EPOCH))
            index, at = self._trail.restored[head.digest]
            abandoned[generation] = (head, common)
            self.lost.append((since or EPOCH, at))
            lost = f"its leaves {common} to {head.size - 1} were" if common < head.size else "nothing was"
            self._report.notices.append(
                f"{self.log} log: leaf {index} says that an older database was restored: of the log as it "
                f"was at size {head.size}, {lost} lost"
            )
        return abandoned

    def _strangers(
        self, newest: Claim, side: Side, abandoned: dict[int, tuple[Claim, int]], claims: list[Claim]
    ) -> None:
        """Judge the checkpoints that the log does not contain."""
        for claim in claims:
            where: dict[str, int | str] = {"size": claim.size, "file": claim.source}
            if claim.line:
                where["line"] = claim.line
            if claim.generation < newest.generation:
                if claim.generation not in abandoned:
                    continue  # that restore is a finding already
                head, common = abandoned[claim.generation]
                if head.digest == claim.digest:
                    continue
                if common < claim.size <= head.size:
                    what = f"{claim.source}, size {claim.size}, is of the part that was lost"
                    self._report.notices.append(f"{self.log} log: {what}")
                    continue
            elif claim.size > newest.size:
                where |= {"index": newest.size, "last": claim.size - 1}
                self._find("log.truncated", "somebody remembers a larger log", **where)
                continue
            elif side.bad and claim.size > side.good:
                continue  # the same rewriting
            self._find("log.fork", "a signed checkpoint that this log does not contain", **where)

    # --- events

    @property
    def damaged(self) -> bool:
        """Whether events are not those that were logged: what they say is then not looked at."""
        return self._report.found(self.log, "leaf.", "log.rewritten", "log.truncated")

    def _say_events(self, lines: Path) -> None:
        if self.damaged:
            return
        for first, last in ranges(self._trail.malformed):
            self._find("leaf.form", "it is not written as an event of this log is", index=first, last=last)
        if ends := self._trail.repeated():
            with lines.open("rb") as file:
                for index, before, event in twice(self.log, file, ends):
                    self._find("event.twice", f"event {event} is leaf {before}, too", index=index)


def _size(claim: Claim) -> int:
    return claim.size

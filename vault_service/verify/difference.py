"""Name how a sequence of leaves was changed: which were edited, deleted, inserted, reordered."""

from bisect import bisect_left
from collections.abc import Iterator

from vault_service.verify.tree import HASH

Change = tuple[str, int, int]  # name, first and last index in the log as it was (inserted: line, from 0)


def changes(lines: bytes, leaves: bytes, first: int) -> Iterator[Change]:
    """Compare the hashes of an export's lines with those of the log's leaves, both from index `first` on.

    Leaves are unique (each has an id), so the longest run of lines that kept their order is found as in a
    patience diff, in O(n log n). Between two of those, what has no partner was edited in pairs; the rest
    was deleted, inserted or, at the end, cut off.
    """
    new, old = _cut(lines), _cut(leaves)
    tail = 0
    while tail < min(len(new), len(old)) and new[-1 - tail] == old[-1 - tail]:
        tail += 1
    new, old = new[: len(new) - tail], old[: len(old) - tail]
    where = {hash_: position for position, hash_ in enumerate(old)}
    moved = {position: where[hash_] for position, hash_ in enumerate(new) if hash_ in where}
    kept = dict(_longest_increasing(list(moved.items())))
    in_place = set(kept.values())
    out_of_place = {leaf: line for line, leaf in moved.items() if leaf not in in_place}
    for leaf in sorted(out_of_place):
        yield "leaf.reordered", first + leaf, first + leaf
    begin_new = begin_old = 0
    for line, leaf in [*kept.items(), (len(new), len(old))]:
        unknown = [
            at for at in range(begin_new, line) if at not in moved or out_of_place.get(moved[at]) != at
        ]
        gone = [at for at in range(begin_old, leaf) if at not in out_of_place]
        pairs = min(len(unknown), len(gone))
        cut_off = leaf == len(old) and not tail
        yield from _named("leaf.edited", gone[:pairs], first)
        yield from _named("log.truncated" if cut_off else "leaf.deleted", gone[pairs:], first)
        yield from _named("leaf.inserted", unknown[pairs:], first)
        begin_new, begin_old = line + 1, leaf + 1


def _cut(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of (line, leaf) in which leaf rises; a line that repeats a leaf does not."""
    ends: list[int] = []  # the least leaf that ends a run of each length
    at: list[int] = []  # which pair that is
    before: list[int] = []
    for number, (_, leaf) in enumerate(pairs):
        length = bisect_left(ends, leaf)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1] = [leaf]
        at[length : length + 1] = [number]
    run: list[tuple[int, int]] = []
    number = at[-1] if at else -1
    while number >= 0:
        run.append(pairs[number])
        number = before[number]
    return run[::-1]


def ranges(indexes: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive indexes."""
    begin = 0
    for end in range(1, len(indexes) + 1):
        if end == len(indexes) or indexes[end] != indexes[end - 1] + 1:
            yield indexes[begin], indexes[end - 1]
            begin = end


def _named(name: str, indexes: list[int], first: int) -> Iterator[Change]:
    for begin, end in ranges(indexes):
        yield name, first + begin, first + end

"""The life of one generation of a key, as a manifest states it, and which steps a new manifest may take.

    prepared ──▶ current ──▶ retiring ──▶ destroyed
        └──────────────────────────────▶ destroyed

- prepared: the key exists in its token; nothing is made with it yet.
- current: what is new is made with it. Exactly one of each kind.
- retiring: nothing new is made with it; what was made with it still opens or verifies.
- destroyed: nothing needs it any more; its private or secret half is gone from the token, or about to go.

A generation begins as prepared or current, with a number above every other of its kind; it moves along the
arrows only, and it is never left out,
so that a number means one key for good. Its public key or check value never changes. Another generation
becomes current only if its number is higher. Whoever could turn one back, say from destroyed to current, or
replace one under its number, would have wraps made that somebody else can open.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from vault_service.domain.errors import ManifestError
from vault_service.domain.manifest import Keys, State

MOVES: frozenset[tuple[State, State]] = frozenset(
    {("prepared", "current"), ("prepared", "destroyed"), ("current", "retiring"), ("retiring", "destroyed")}
)
BEGINS: frozenset[State] = frozenset({"prepared", "current"})


def check_key_changes(before: Keys, after: Keys) -> None:
    """Whether every generation moved along the arrows. Raises ManifestError, naming one that did not."""
    for member in msgspec.structs.fields(Keys):
        wrong = next(_wrong(getattr(before, member.name), getattr(after, member.name)), None)
        if wrong is not None:
            raise ManifestError(f"{member.name.replace('_', '-')} key {wrong}")


def _wrong(before: Sequence[Any], after: Sequence[Any]) -> Iterator[str]:
    was, will_be = {key.gen: key for key in before}, {key.gen: key for key in after}
    if len(will_be) != len(after):
        yield "has a generation twice"
    highest = max(was, default=0)
    for gen, key in was.items():
        new = will_be.get(gen)
        if new is None:
            yield f"{gen} is left out"
        elif msgspec.structs.replace(new, state=key.state) != key:
            yield f"{gen} is another one"
        elif new.state != key.state and (key.state, new.state) not in MOVES:
            yield f"{gen} goes from {key.state} to {new.state}"
    for gen, key in will_be.items():
        if gen in was:
            continue
        if gen <= highest:
            yield f"{gen} is new, and {highest} is there already"
        elif key.state not in BEGINS:
            yield f"{gen} begins as {key.state}"
    old, new_current = _current(before), _current(after)
    if new_current < old:
        yield f"{new_current} becomes current after {old}"


def _current(keys: Sequence[Any]) -> int:
    return next((key.gen for key in keys if key.state == "current"), 0)

"""Which steps a new manifest may take with the generations of a key, whoever signed it."""

import itertools
from typing import get_args

import msgspec
import pytest

from tests.crypto.test_manifest_chain import FIRST, GENESIS, PIN, follow, sign
from vault_service.crypto.manifest_chain import verify_chain
from vault_service.domain.errors import ManifestError
from vault_service.domain.key_states import MOVES
from vault_service.domain.manifest import SecretKeyGeneration, State, manifest_hash

STATES: tuple[State, ...] = get_args(State)
Pepper = tuple[SecretKeyGeneration, ...]


def key(gen: int, state: State, check: str = "ab") -> SecretKeyGeneration:
    return SecretKeyGeneration(gen, state, check * 8)


def believed(*steps: Pepper) -> None:
    """A chain that begins with the first of these, each next one in a manifest of its own."""
    keys = msgspec.structs.replace(GENESIS.keys, pepper=steps[0])
    newest = msgspec.structs.replace(GENESIS, keys=keys)
    links = [sign(newest)]
    for pepper in steps[1:]:
        newest = follow(newest, keys=msgspec.structs.replace(newest.keys, pepper=pepper))
        links.append(sign(newest))
    verify_chain(links, pinned=manifest_hash(links[0].body))


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, STATES)))
def test_a_generation_moves_along_the_arrows_only(before: State, after: State) -> None:
    """Beside another one that takes the place of the current one where this one is not."""

    def peppers(state: State) -> Pepper:
        return (key(1, "retiring" if state == "current" else "current"), key(2, state))

    # From current to retiring would have 1 come back, which is refused by itself: see below for that move.
    if before == after or ((before, after) in MOVES and before != "current"):
        believed(peppers(before), peppers(after))
    else:
        with pytest.raises(ManifestError, match="pepper key"):
            believed(peppers(before), peppers(after))


REFUSED: dict[str, tuple[Pepper, Pepper, str]] = {
    "left out": ((key(1, "retiring"), key(2, "current")), (key(2, "current"),), "1 is left out"),
    "destroyed and left out": (
        (key(1, "destroyed"), key(2, "current")), (key(2, "current"),), "1 is left out"),
    "replaced under its number": ((key(1, "current"),), (key(1, "current", "cd"),), "1 is another one"),
    "replaced while it is destroyed": (
        (key(1, "retiring"), key(2, "current")), (key(1, "destroyed", "cd"), key(2, "current")),
        "1 is another one"),
    "new below another": (
        (key(2, "current"),), (key(1, "prepared"), key(2, "current")), "1 is new, and 2 is there already"),
    "new under a number that is not the highest": (
        (key(1, "retiring"), key(3, "current")), (key(1, "retiring"), key(2, "prepared"), key(3, "current")),
        "2 is new, and 3 is there already"),
    "begins as retiring": ((key(1, "current"),), (key(1, "current"), key(2, "retiring")), "2 begins as"),
    "begins as destroyed": ((key(1, "current"),), (key(1, "current"), key(2, "destroyed")), "2 begins as"),
    "the current one twice": (
        (key(1, "current"),), (key(1, "current"), key(1, "retiring")), "has a generation twice"),
    "back to an older one that was never used": (
        (key(1, "prepared"), key(2, "current")), (key(1, "current"), key(2, "retiring")),
        "1 becomes current after 2"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_generation_is_one_key_for_good(before: Pepper, after: Pepper, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        believed(before, after)


def test_a_generation_goes_its_whole_way() -> None:
    believed(
        (key(1, "current"),),
        (key(1, "current"), key(2, "prepared", "cd")),
        (key(1, "retiring"), key(2, "current", "cd")),
        (key(1, "destroyed"), key(2, "current", "cd")),
        (key(1, "destroyed"), key(2, "current", "cd"), key(7, "prepared", "ef")),
    )


def test_a_quorum_of_officers_may_not_replace_one_either() -> None:
    other = msgspec.structs.replace(GENESIS.keys.escrow[0], public_key="ff" * 32)
    candidate = follow(GENESIS, keys=msgspec.structs.replace(GENESIS.keys, escrow=(other,)))

    with pytest.raises(ManifestError, match="escrow key 1 is another one"):
        verify_chain([FIRST, sign(candidate, officers=("ana", "cleo"))], pinned=PIN)

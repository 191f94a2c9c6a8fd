"""Whatever is sent in whatever order: no two heads of one origin that a witness cosigned contradict.

Two histories of one log share a beginning. Honest and dishonest requests about both are mixed with
restarts and lies about sizes and proofs; a list of what was cosigned is all that the test believes.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.witness.watched import LOG, Log, Place
from vault_service.tlog.add_checkpoint import AddCheckpoint
from vault_service.witness.errors import SubmissionRefusedError

_COMMON, _MOST = 3, 9
_ORIGINS = (LOG, f"{LOG}/restored-1", f"{LOG}/restored-2")

_PROOFS = ("right", "right", "right", "none", "other history's", "shortened", "other size's")

_requests = st.fixed_dictionaries({
    "history": st.integers(0, 1),
    "origin": st.sampled_from(_ORIGINS),
    "size": st.integers(0, _MOST),
    "old": st.one_of(st.just("honest"), st.integers(0, _MOST)),
    "proof": st.sampled_from(_PROOFS),
    "restart": st.sampled_from([False, False, False, True]),
})  # fmt: skip


def _request(logs: tuple[Log, Log], asked: dict[str, object], known: int) -> bytes:
    log, other = logs if asked["history"] == 0 else logs[::-1]
    size = asked["size"]
    assert isinstance(size, int)
    old = asked["old"] if isinstance(asked["old"], int) else known
    usable = min(old, size)
    proof = {
        "right": log.proof(usable, size),
        "none": (),
        "other history's": other.proof(usable, size),
        "shortened": log.proof(usable, size)[:-1],
        "other size's": log.proof(min(usable, size // 2), size // 2 + size % 2),
    }[str(asked["proof"])]
    return AddCheckpoint(old, tuple(proof), log.note(size, origin=str(asked["origin"]))).format().encode()


@pytest.mark.slow
@given(st.lists(_requests, max_size=25))
def test_two_heads_that_contradict_are_never_both_cosigned(requests: list[dict[str, object]]) -> None:
    log = Log().grow(_COMMON)
    logs = (log.copy(_COMMON).grow(_MOST, "one"), log.copy(_COMMON).grow(_MOST, "two"))
    cosigned: dict[str, list[list[bytes]]] = {origin: [] for origin in _ORIGINS}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder)).prepare()
        opened = place.open(log)
        witness = opened.__enter__()
        for asked in requests:
            if asked["restart"]:
                opened.__exit__(None, None, None)
                opened = place.open(log)
                witness = opened.__enter__()
            origin, size = str(asked["origin"]), int(str(asked["size"]))
            history = logs[int(str(asked["history"]))].leaves[:size]
            before = cosigned[origin]
            known = len(before[-1]) if before else 0
            try:
                witness.add_checkpoint(_request(logs, asked, known))
            except SubmissionRefusedError as refused:
                event(refused.code)
                honest = asked["old"] == "honest" and asked["proof"] == "right"
                assert not (honest and _extends(history, before)), "an append was refused"
            else:
                event("cosigned")
                assert _extends(history, before), "a fork was cosigned"
                before.append(history)
        opened.__exit__(None, None, None)


def _extends(history: list[bytes], before: list[list[bytes]]) -> bool:
    return not before or history[: len(before[-1])] == before[-1]

"""For each kind of event a flow that leaves it.

A new kind needs a flow: one in flows.py that names it (it is then tried in all tests of P8), or, where
that does not do, a function of its own here.
"""

import functools
from collections.abc import Callable

from tests.promises.flows import FLOWS, Life, as_expected
from vault_service.domain.events import KeysEvent, RecordsEvent

Kind = KeysEvent | RecordsEvent
Leave = Callable[[Life], None]

BY_GENESIS: frozenset[Kind] = frozenset({KeysEvent.MANIFEST_SIGNED, KeysEvent.SHARES_STORED})
"""Left once, before a vault can be used."""


def _run(name: str, life: Life) -> None:
    act = FLOWS[name].begin(life)
    with as_expected(FLOWS[name].refused):
        act()


def _leaves() -> dict[Kind, Leave]:
    leaves: dict[Kind, Leave] = {}
    for name, flow in FLOWS.items():
        kinds: list[Kind] = [*flow.keys, *flow.records]
        for kind in kinds:
            leaves.setdefault(kind, functools.partial(_run, name))
    return leaves


LEAVES = _leaves()

"""The life of generations of a key, for P8: in the vault of all flows, the one that signs notes."""

import time
from datetime import UTC, datetime

from tests.promises.flows import Act, Flow, Life, flow
from tests.rotation.operator import Operator
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.rotation import OnlineKind
from vault_service.domain.rotation_errors import FingerprintDiffersError
from vault_service.kms.protocol.rotation_messages import GenerationIs, RetireKey

KIND: OnlineKind = "note"
_SETTLED_S = 3.5


def _create(life: Life) -> Act:
    """Once what an earlier attempt left is out of the way, in the token as well."""
    operator = Operator(life.operator)
    operator.retire(KIND, operator.create(KIND).gen)
    return lambda: operator.create(KIND)


def _make_current(life: Life) -> Act:
    operator = Operator(life.operator)
    gen = operator.create(KIND).gen
    return lambda: operator.make_current(KIND, gen)


def _give_up(life: Life) -> Act:
    operator = Operator(life.operator)
    gen = operator.create(KIND).gen
    return lambda: operator.retire(KIND, gen)


def _destroy(life: Life) -> Act:
    """One that every key service knows to be given up."""
    operator = Operator(life.operator)
    gone = [row for row in operator.all(KIND) if row.state == "destroyed" and row.in_token]
    if not gone:
        gone = [operator.retire(KIND, operator.create(KIND).gen)]
    known = (datetime.now(UTC) - datetime.fromisoformat(gone[0].since)).total_seconds()
    time.sleep(max(0.0, _SETTLED_S - known))
    return lambda: operator.destroy(KIND, gone[0].gen)


def _wrong_fingerprint(life: Life) -> Act:
    return lambda: life.operator.call(RetireKey(KIND, 1, "ab" * 32), GenerationIs)


KEY_FLOWS: dict[str, Flow] = {
    "a key made": flow(_create, K.KEY_CREATED, K.MANIFEST_SIGNED),
    "a key made current": flow(_make_current, K.KEY_MADE_CURRENT, K.MANIFEST_SIGNED),
    "a key given up": flow(_give_up, K.KEY_RETIRED, K.MANIFEST_SIGNED),
    "a key destroyed": flow(_destroy, K.KEY_DESTROYED),
    "giving up a key by a wrong fingerprint": flow(
        _wrong_fingerprint, K.KEY_CHANGE_REFUSED, refused=FingerprintDiffersError
    ),
}

"""A new generation of the pepper and of the login index: made, current, and what is on which."""

import pytest

from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from vault_service.domain.rotation import OnlineKind
from vault_service.kms.client import KmsClient


@pytest.mark.parametrize("kind", ["pepper", "login-index"])
def test_a_new_generation_is_prepared_and_then_current(operator: Operator, kind: OnlineKind) -> None:
    old = operator.states(kind)[-1][0]
    made = operator.create(kind)
    assert (made.gen, made.state, made.in_token) == (old + 1, "prepared", True)
    assert operator.create(kind) == made, "to ask again makes no second one"

    now = operator.make_current(kind, made.gen)

    assert (now.state, now.fingerprint) == ("current", made.fingerprint)
    assert operator.make_current(kind, made.gen) == now
    assert operator.states(kind)[-2:] == [(old, "retiring"), (made.gen, "current")]


def test_the_census_tells_what_is_on_which_generation(
    turned: Vault, operator: Operator, api: KmsClient
) -> None:
    pepper, index = operator.next("pepper").gen, operator.next("login-index").gen
    assert operator.census("pepper", pepper) == operator.census("pepper", pepper - 1) == {}

    enrol(turned, api)

    assert operator.census("pepper", pepper) == {"password wraps": 1, "escrow wraps": 1, "sealed logins": 1}
    assert operator.census("login-index", index) == {"logins": 1, "users": 1}
    assert operator.census("escrow", 1) == {"escrow wraps": 1}
    assert operator.census("pepper", pepper - 1) == {}

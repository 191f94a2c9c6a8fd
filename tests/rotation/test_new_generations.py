"""A new generation of the pepper and of the login index: made, current, and what is on which."""

import pytest

from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from vault_service.kms.client import KmsClient


@pytest.mark.parametrize("kind", ["pepper", "login-index"])
def test_a_new_generation_is_prepared_and_then_current(operator: Operator, kind: str) -> None:
    made = operator.create(kind)  # type: ignore[arg-type]  # one of the kinds
    assert (made.gen, made.state, made.in_token) == (2, "prepared", True)
    assert operator.create(kind) == made, "to ask again makes no second one"  # type: ignore[arg-type]  # likewise

    now = operator.make_current(kind, 2)  # type: ignore[arg-type]  # likewise

    assert (now.state, now.fingerprint) == ("current", made.fingerprint)
    assert operator.make_current(kind, 2) == now  # type: ignore[arg-type]  # likewise
    assert operator.states(kind) == [(1, "retiring"), (2, "current")]  # type: ignore[arg-type]  # likewise


def test_the_census_tells_what_is_on_which_generation(
    turned: Vault, operator: Operator, api: KmsClient
) -> None:
    old = operator.census("pepper", 1)
    assert old == {}

    enrol(turned, api)

    assert operator.census("pepper", 2) == {"password wraps": 1, "escrow wraps": 1, "sealed logins": 1}
    assert operator.census("login-index", 2) == {"logins": 1, "users": 1}
    assert operator.census("escrow", 1) == {"escrow wraps": 1}
    assert operator.census("pepper", 1) == {}

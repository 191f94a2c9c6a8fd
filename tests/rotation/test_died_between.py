"""A key service that dies after any step of a change to a generation: to repeat the change is to go on."""

import contextlib
import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.kms.chains import delete, forget, key_service
from tests.rig.vault import Vault
from tests.rotation.died import dying
from tests.rotation.inside import Inside
from vault_service.kms.rotation.online_keys import demand_in_token, label_of

pytestmark = pytest.mark.slow
MAX_STEPS = 200

Change = Callable[[Inside], object]
Check = Callable[[Inside], None]


@pytest.fixture(scope="module", autouse=True)
def nobody_else(turned: Vault) -> None:
    """The chain is cut back for each attempt, which a running key service would refuse."""
    turned.running["kms"].stop()


@contextlib.contextmanager
def as_genesis_left_it(vault: Vault) -> Iterator[Inside]:
    """But for the token: what earlier attempts left in it is still there, under the next labels."""
    delete(vault, since=2)
    with vault.keys.superuser() as conn:
        conn.execute("DELETE FROM pepper_generations WHERE gen > 1")
    forget(vault)
    with key_service(vault) as service:
        service.manifests.current()
        yield Inside(service)


def die_at_each_step(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, change: Change, check: Check, *before: Change
) -> int:
    """Returns how many steps there are. After each death the change is repeated, and then `check` holds."""
    for step in itertools.count(1):
        with as_genesis_left_it(vault) as inside:
            for prepare in before:
                prepare(inside)
            with dying(monkeypatch, step) as steps:
                change(inside)
            change(inside)
            check(inside)
        if not steps.dead:
            return step - 1
        assert step < MAX_STEPS
    raise AssertionError


def test_of_a_new_key_there_is_one_in_the_token_and_the_manifest_names_that_one(
    turned: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an attempt left under the label is not taken into use: nobody can tell whose it is."""

    def check(inside: Inside) -> None:
        assert inside.states("pepper") == {1: "current", 2: "prepared"}
        demand_in_token(inside.service.keyring.token, "pepper", inside.manifest.keys.pepper[1])
        assert not inside.service.keyring.token.has_key(label_of("pepper", 3))

    steps = die_at_each_step(turned, monkeypatch, lambda inside: inside.create("pepper"), check)
    assert steps > 8


def test_of_a_switch_exactly_one_is_current(turned: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(inside: Inside) -> None:
        assert inside.states("case") == {1: "retiring", 2: "current"}

    steps = die_at_each_step(
        turned, monkeypatch, lambda inside: inside.make_current("case", 2), check,
        lambda inside: inside.create("case"),
    )  # fmt: skip
    assert steps > 5


def test_what_is_given_up_is_destroyed_in_the_end_with_its_events(
    turned: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(inside: Inside) -> None:
        inside.retire("note", 2)
        inside.destroy("note", 2)

    def check(inside: Inside) -> None:
        assert inside.states("note") == {1: "current", 2: "destroyed"}
        assert not inside.service.keyring.token.has_key(label_of("note", 2))
        with turned.keys.superuser() as conn:
            row = conn.execute(
                "SELECT count(DISTINCT kind) FROM audit_events WHERE kind IN (82, 83) AND digest = %s",
                (bytes.fromhex(inside.fingerprint("note", 2)),),
            ).fetchone()
        assert row == (2,)

    steps = die_at_each_step(turned, monkeypatch, give_up, check, lambda inside: inside.create("note"))
    assert steps > 12

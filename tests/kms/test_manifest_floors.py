"""No policy file goes below what a quorum of officers demands in the manifest."""

from pathlib import Path

import pytest

from tests.kms.chains import (
    endorse,
    follow,
    genesis,
    key_service,
    officer,
    put,
    restart,
    sign_in_token,
)
from tests.rig.people import enrol, kms_of
from tests.rig.vault import Vault
from vault_service.domain.errors import ManifestError, PolicyBelowFloorError
from vault_service.domain.manifest import Floors, RecoveryFloors
from vault_service.policy.load import load_policies

POLICIES = Path(__file__).parents[2] / "policies"
DEARER = Floors(argon2_memory_kib=65_536)


def waiting(**seconds: int) -> Floors:
    return Floors(recovery=RecoveryFloors(**seconds))


def demand(vault: Vault, floors: Floors, *officers: str) -> None:
    """A new manifest with these floors, endorsed by these officers."""
    manifest = follow(genesis(vault), floors=floors)
    put(
        vault, sign_in_token(vault, manifest, *(endorse(officer(vault, name), manifest) for name in officers))
    )


def test_a_policy_below_a_quorums_floor_stops_everything_that_needs_the_manifest(sound: Vault) -> None:
    """The tests' vault asks for the least memory that the code allows."""
    demand(sound, DEARER, "ana", "cleo")

    with key_service(sound) as service, pytest.raises(PolicyBelowFloorError, match="memory_kib 19456"):
        service.manifests.current()


def test_a_policy_at_the_floor_is_accepted(sound: Vault) -> None:
    demand(sound, Floors(argon2_memory_kib=19_456), "ana", "cleo")
    restart(sound)
    sound.wait_for(sound.kms_is_healthy, sound.running["kms"])

    assert enrol(sound, kms_of(sound)).unlock().dek


def test_no_single_officer_lowers_a_floor(sound: Vault) -> None:
    demand(sound, DEARER, "ana")

    with key_service(sound) as service, pytest.raises(ManifestError, match="1 of 2 officers"):
        service.manifests.current()


@pytest.mark.parametrize(
    ("floors", "rule"),
    [
        (Floors(argon2_memory_kib=65_537), "passwords.toml: memory_kib 65536"),
        (Floors(argon2_iterations=4), "passwords.toml: iterations 3"),
        (Floors(password_code_points=16), "passwords.toml: min_code_points 15"),
        (Floors(guesses_in_a_row=99), "limits.toml: lock_after 100"),
        (waiting(wait_regain_s=3601), "recovery.toml: waiting_s of regain 3600"),
        (waiting(wait_disclosure_s=86_401), "recovery.toml: waiting_s of disclosure 86400"),
        (waiting(wait_erasure_s=86_401), "recovery.toml: waiting_s of erasure 86400"),
        (waiting(wait_drill_s=1), "recovery.toml: waiting_s of drill 0"),
        (waiting(wait_key_ceremony_s=1), "recovery.toml: waiting_s of key-ceremony 0"),
        (waiting(wait_officer_change_s=1), "recovery.toml: waiting_s of officer-change 0"),
    ],
)
def test_each_rule_is_compared(floors: Floors, rule: str) -> None:
    policies = load_policies(POLICIES)

    # A rotation of the escrow key follows a key ceremony, and waits as long.
    also = [rule.replace("key-ceremony", "escrow-rotation")] if "key-ceremony" in rule else []
    assert policies.below(floors) == (rule, *also)
    assert policies.below(Floors()) == ()


def test_a_case_that_stays_open_longer_than_officers_allow_is_weaker() -> None:
    below = load_policies(POLICIES).below(waiting(expiry_at_most_s=604_800))

    assert "recovery.toml: expiry_s of disclosure 1209600" in below
    assert not any("regain" in rule for rule in below)

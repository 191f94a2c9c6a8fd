"""A genesis that cannot be carried through is refused before it has touched a token."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig.postgres import TestDatabase
from tests.rig.vault import MODULE, OFFICERS, PASSPHRASE, REPOSITORY
from vault_service.ceremony.genesis import GenesisPlan, NewToken, run_genesis
from vault_service.domain.errors import ConfigurationError
from vault_service.kms.pkcs11_module import TokenPlace


@pytest.fixture
def plan(tmp_path: Path) -> GenesisPlan:
    """Two tokens as they are delivered."""
    script = REPOSITORY / "scripts" / "softhsm_setup.sh"
    subprocess.run([str(script), str(tmp_path / "tokens")], check=True, capture_output=True, timeout=30)

    def new(name: str) -> NewToken:
        folder = tmp_path / "tokens" / name
        place = TokenPlace(MODULE, f"vault-{name}", folder / "softhsm2.conf", tmp_path / "state" / name)
        return NewToken(place, folder / "transport-so-pin")

    return GenesisPlan(
        online=new("online"), escrow=new("escrow"), online_pin_file=tmp_path / "secrets" / "online.pin",
        ceremony_dir=tmp_path / "ceremony", officers_dir=tmp_path / "officers", officers=OFFICERS,
        passphrase=PASSPHRASE,
    )  # fmt: skip


def assert_refused_untouched(plan: GenesisPlan, keys_db: TestDatabase, names: str) -> None:
    db = keys_db.open("vault_kms", size=1)
    try:
        with pytest.raises(ConfigurationError, match=names):
            run_genesis(plan, db)
    finally:
        db.close()
    for token in (plan.online, plan.escrow):
        assert token.transport_so_pin.exists(), "the token is as it was delivered"


@pytest.mark.parametrize("left", ["secrets/online.pin", "ceremony/shares-1.json", "officers/bob.key"])
def test_what_an_unfinished_genesis_left_is_named(
    plan: GenesisPlan, keys_db: TestDatabase, tmp_path: Path, left: str
) -> None:
    (tmp_path / left).parent.mkdir(parents=True)
    (tmp_path / left).touch()

    assert_refused_untouched(plan, keys_db, names=left)


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1}, {"disclosure": 1}, {"threshold": 4}, {"disclosure": 4}], ids=str
)
def test_a_quorum_that_is_one_person_or_can_never_meet_is_refused(
    plan: GenesisPlan, keys_db: TestDatabase, wrong: dict[str, int]
) -> None:
    assert_refused_untouched(replace(plan, **wrong), keys_db, names="quorum")  # type: ignore[arg-type]  # numbers


def test_two_officers_of_one_name_are_refused(plan: GenesisPlan, keys_db: TestDatabase) -> None:
    """Their key files would be one file."""
    assert_refused_untouched(replace(plan, officers=("ana", "bob", "ana")), keys_db, names="ana")

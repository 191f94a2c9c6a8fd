"""A genesis that cannot be carried through is refused before it has touched a token."""

import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from msgspec import structs

from tests.rig.postgres import TestDatabase
from tests.rig.vault import MODULE, OFFICERS, PASSPHRASE, REPOSITORY
from vault_service.ceremony import genesis
from vault_service.ceremony.genesis import run_genesis
from vault_service.ceremony.genesis_plan import GenesisPlan, NewOfficer, NewToken, with_key_files
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.sheets import SheetsAbandonedError
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.kms.token.admin import read_facts, take_over
from vault_service.kms.token.pkcs11_module import TokenPlace


def too_early(*_: object) -> None:
    pytest.fail("the words went to paper before it was refused")


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
        ceremony_dir=tmp_path / "ceremony", officers_dir=tmp_path / "officers",
        officers=with_key_files(OFFICERS, PASSPHRASE), hand_out=too_early,
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


def brought(name: str, officer: UUID | None = None) -> NewOfficer:
    """Somebody with a key file of their own."""
    key = OfficerKey.generate(OfficerId(officer or new_uuid()), new_uuid(), name)
    return NewOfficer(name, public=key.public(()))


def with_one(key: str) -> tuple[NewOfficer, NewOfficer]:
    """Two that brought different files, with the same key in both."""
    bob, cleo = brought("bob"), brought("cleo")
    assert bob.public is not None
    assert cleo.public is not None
    shared = structs.replace(cleo.public, **{key: getattr(bob.public, key)})
    return bob, replace(cleo, public=shared)


ANA, BOB, CLEO = with_key_files(OFFICERS, PASSPHRASE)
ONE, ACCOUNT = new_uuid(), new_uuid()
UNFIT = {
    "one name twice, their key files would be one file": ((ANA, BOB, replace(ANA, name="Ana")), "one name"),
    "a name that leads elsewhere": ((ANA, BOB, replace(CLEO, name="../cleo")), "name is"),
    "neither a key nor a passphrase": ((ANA, BOB, NewOfficer("cleo")), "public key file or a passphrase"),
    "both": ((ANA, BOB, replace(brought("cleo"), passphrase="x")), "public key file or a passphrase"),
    "a file of somebody else": ((ANA, BOB, replace(brought("dora"), name="cleo")), "is dora's"),
    "one person under two names": ((ANA, brought("bob", ONE), brought("cleo", ONE)), "one officer id"),
    "one signing key under two ids": ((ANA, *with_one("authenticators")), "one signing key"),
    "one share key under two ids": ((ANA, *with_one("share_key")), "one share key"),
    "one account of two people": (
        (ANA, replace(BOB, user_ids=(ACCOUNT,)), replace(CLEO, user_ids=(ACCOUNT,))), "one user id",
    ),
    "too few who approve": ((ANA, *(replace(each, roles=("auditor",)) for each in (BOB, CLEO))), "approver"),
    "too few disclose": ((ANA, *(replace(each, roles=("approver",)) for each in (BOB, CLEO))), "discloser"),
    "nobody who could open a case": (
        tuple(replace(each, roles=("approver", "discloser")) for each in (ANA, BOB, CLEO)), "could open",
    ),
    "two who would have to decide what they open": ((ANA, BOB), "could open"),
}  # fmt: skip


@pytest.mark.parametrize(("officers", "names"), UNFIT.values(), ids=UNFIT)
def test_officers_who_do_not_fit_are_refused(
    plan: GenesisPlan, keys_db: TestDatabase, officers: tuple[NewOfficer, ...], names: str
) -> None:
    assert_refused_untouched(replace(plan, officers=officers), keys_db, names=names)


@pytest.mark.parametrize(("threshold", "sheets"), [(1, 3), (4, 3), (2, 17)])
def test_sheets_that_one_person_opens_or_nobody_are_refused(
    plan: GenesisPlan, keys_db: TestDatabase, threshold: int, sheets: int
) -> None:
    unfit = replace(plan, sheets=sheets, sheets_threshold=threshold)
    assert_refused_untouched(unfit, keys_db, names="break-glass sheets")


@pytest.mark.parametrize("of", ["_ONLINE_PIN_BYTES", "SECRET_BYTES"])
def test_a_token_that_cannot_take_such_a_pin_is_refused(
    plan: GenesisPlan, keys_db: TestDatabase, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """SoftHSM takes 255 bytes at the most: a longer PIN stands for a token with a smaller limit."""
    monkeypatch.setattr(genesis, of, 160)

    assert_refused_untouched(plan, keys_db, names="takes PINs of 4 to 255 bytes, and this one would have 256")


@pytest.mark.parametrize("which", ["online", "escrow"])
def test_a_token_that_somebody_took_over_is_refused(
    plan: GenesisPlan, keys_db: TestDatabase, which: str
) -> None:
    """Its owner would know the PINs."""
    token: NewToken = getattr(plan, which)
    pin = token.transport_so_pin.read_text().strip()
    take_over(token.place, transport_so_pin=pin, so_pin=pin, user_pin="somebody's own")

    assert_refused_untouched(plan, keys_db, names=f"vault-{which} has a user PIN")


def test_both_transport_pins_are_looked_for_before_either_token_is_changed(
    plan: GenesisPlan, keys_db: TestDatabase
) -> None:
    plan.online.transport_so_pin.rename(plan.online.transport_so_pin.with_name("elsewhere"))
    db = keys_db.open("vault_kms", size=1)
    try:
        with pytest.raises(ConfigurationError, match="transport-so-pin"):
            run_genesis(plan, db)
    finally:
        db.close()
    assert plan.escrow.transport_so_pin.exists()
    assert not read_facts(plan.escrow.place).has_user_pin


def test_who_gives_up_over_the_sheets_leaves_both_tokens_as_they_were(
    plan: GenesisPlan, keys_db: TestDatabase
) -> None:
    def give_up(*_: object) -> None:
        raise SheetsAbandonedError("the keepers went home")

    assert_refused_untouched(replace(plan, hand_out=give_up), keys_db, names="went home")
    assert not any(read_facts(token.place).has_user_pin for token in (plan.online, plan.escrow))

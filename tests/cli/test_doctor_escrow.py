"""`vaultctl doctor` on the escrow: who can open it, with which set, and what stands in the way."""

import os
import shutil

import pytest
from msgspec.structs import replace

from tests.ceremony.killed import run
from tests.ceremony.logins import counted_logins
from tests.ceremony.pins import Escrow
from tests.ceremony.test_pin_attacked import attack
from tests.ceremony.test_pin_open import raise_flag
from vault_service.cli.doctor_escrow import examine_pin, examine_token
from vault_service.cli.finding import Finding
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Manifest, Quorum
from vault_service.domain.recovery_errors import PinUnknownError
from vault_service.kms.token.pkcs11_module import PinFlags


def found(escrow: Escrow, manifest: Manifest | None = None) -> dict[str, Finding]:
    with counted_logins() as logins:
        findings = list(examine_pin(escrow.parts, manifest or escrow.manifest))
        findings += examine_token(escrow.place, escrow.manifest.tokens.escrow)
    assert logins == [], "doctor tries no PIN"
    return {each.check: each for each in findings}


def warned(finding: Finding) -> bool:
    return finding.ok and finding.detail.startswith("warning: ")


def test_after_a_ceremony_all_is_well(escrow: Escrow) -> None:
    escrow.change()

    findings = found(escrow)

    assert all(each.ok and not warned(each) for each in findings.values())
    assert findings["escrow PIN"].detail == "the shares of generation 2 open the token (1 retired, 2 active)"
    assert findings["holders of share set 2"].detail == (
        "3 officers hold a share, any 2 open the token; "
        "changing the officers takes 2 besides the one who proposes it"
    )


def test_an_undecided_change_is_named_with_both_sets(escrow: Escrow) -> None:
    run(escrow, set_pin="dies before it")

    finding = found(escrow)["escrow PIN"]

    assert warned(finding)
    assert "generation 2, or else of 1" in finding.detail
    assert "1 active, 2 switching" in finding.detail


def test_a_set_that_one_place_lacks_is_named(escrow: Escrow) -> None:
    escrow.change()
    with escrow.keys.superuser() as conn:
        conn.execute("DELETE FROM pin_generations WHERE pin_gen = 2")
    assert "folder only" in found(escrow)["escrow share set 2"].detail
    escrow.opens()

    (escrow.folder / "shares-2.json").write_text("{")
    findings = found(escrow)
    assert "database only" in findings["escrow share set 2"].detail
    assert not findings["escrow share sets"].ok
    assert "shares-2.json" in findings["escrow share sets"].detail


@pytest.mark.parametrize(
    "statement", ["UPDATE shares SET sealed = 'x'", "UPDATE pin_generations SET pin_check = sha256('x')"]
)
def test_an_altered_database_is_told(escrow: Escrow, statement: str) -> None:
    attack(escrow, statement)

    finding = found(escrow)["escrow share set 1"]

    assert not finding.ok
    assert "altered" in finding.remedy


def test_officers_without_a_share_and_shares_without_an_officer_are_named(escrow: Escrow) -> None:
    """After a change of officers, until the next ceremony has made a new set."""
    ana, bob, cleo = escrow.manifest.officers
    dora = replace(cleo, officer_id=new_uuid(), name="dora")
    manifest = replace(escrow.manifest, officers=(ana, bob, dora))

    details = [each.detail for each in examine_pin(escrow.parts, manifest)]

    assert "warning: no share: dora" in details
    assert f"warning: a share, and no right to one any more: {cleo.officer_id}" in details


@pytest.mark.parametrize(
    ("base", "ok", "says"), [(2, True, "any 2"), (3, True, "losing one"), (4, False, "4 are needed")]
)
def test_how_many_may_be_lost_is_told(escrow: Escrow, base: int, ok: bool, says: str) -> None:
    finding = found(escrow, replace(escrow.manifest, quorum=Quorum(base, 2)))["holders of share set 1"]

    assert finding.ok == ok
    assert says in finding.detail


@pytest.mark.parametrize(
    ("flag", "ok"), [(PinFlags.COUNT_LOW, True), (PinFlags.FINAL_TRY, False), (PinFlags.LOCKED, False)]
)
def test_the_tokens_own_count_is_told(escrow: Escrow, flag: PinFlags, ok: bool) -> None:
    raise_flag(escrow, flag)

    finding = found(escrow)["escrow token"]

    assert finding.ok == ok
    assert not ok or warned(finding)


def test_a_token_that_is_not_there_is_only_mentioned(escrow: Escrow) -> None:
    """It is plugged in for ceremonies only; another one is wrong."""
    assert not next(examine_token(escrow.place, "another")).ok
    shutil.rmtree(escrow.home / "tokens/escrow")

    assert warned(next(examine_token(escrow.place, escrow.manifest.tokens.escrow)))


def test_a_refused_pin_is_told(escrow: Escrow) -> None:
    (escrow.folder / "refused-1").touch()
    findings = examine_pin(escrow.parts, escrow.manifest)

    refused = next(findings)
    assert (refused.check, refused.ok) == ("escrow PIN refused", False)
    assert "refused-1" in refused.remedy
    with pytest.raises(PinUnknownError):
        next(findings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_doctor_leaves_another_users_token_alone(escrow: Escrow) -> None:
    """Its lock and its copies would be root's otherwise, and the next ceremony could not open it."""
    (escrow.folder.parent / "state/escrow").mkdir(parents=True, exist_ok=True)
    os.chown(escrow.place.state_dir, 65534, 65534)
    before = {path: path.stat().st_mtime_ns for path in escrow.place.state_dir.iterdir()}

    finding = found(escrow)["escrow token"]

    assert finding.ok
    assert "another user" in finding.detail
    assert before == {path: path.stat().st_mtime_ns for path in escrow.place.state_dir.iterdir()}

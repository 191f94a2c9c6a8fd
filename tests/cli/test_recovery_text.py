"""How a case reads to officers: nothing in it can make it look like another."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.ceremony.disclosures import disclosure_case
from tests.crypto.test_officer_change import NEWEST
from tests.recovery.test_officers import NOW
from vault_service.cli.recovery_text import _change_text, next_step
from vault_service.crypto.approvals import Judgement
from vault_service.crypto.dek import Dek
from vault_service.domain.case import CollectionScope, case_hash
from vault_service.domain.case_states import CaseState
from vault_service.domain.ids import DekId, OfficerId, TenantId, UserId, new_uuid
from vault_service.domain.manifest import parse_manifest
from vault_service.domain.visible import visible
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.officers import propose, remove, set_quorum

OPENED = datetime(2026, 11, 27, 10, tzinfo=UTC)  # due an hour later
BOB, CLEO = OfficerId(new_uuid()), OfficerId(new_uuid())


def shown(state: CaseState = "open", *by: OfficerId, vetoed: tuple[OfficerId, ...] = ()) -> ShownCase:
    dek = Dek.generate(TenantId(new_uuid()), UserId(new_uuid()), DekId(new_uuid()))
    case = disclosure_case(dek, (CollectionScope("contact"),), recipient="age1" + "q" * 58)
    body = case.encode()
    return ShownCase(case, body, case_hash(body), state, (), None, Judgement(2, by, vetoed, ()))


@pytest.mark.parametrize(
    ("case", "after_h", "says"),
    [
        (shown(), 0, "2 more officers have to approve"),
        (shown("open", BOB), 0, "one more officer has to approve"),
        (shown("open", BOB, CLEO), 0.5, "wait until 2026-11-27 11:00:00 UTC"),
        (shown("open", BOB, CLEO), 2, "a ceremony has to run"),
        (shown("open", BOB, CLEO, vetoed=(BOB,)), 2, "vetoed"),
        (shown("open", BOB), 24 * 31, "expired"),
        (shown("executing", BOB, CLEO), 2, "a ceremony is carrying it out"),
        (shown("executed", BOB, CLEO), 2, "carried out"),
        (shown("cancelled", BOB, CLEO), 2, "cancelled"),
    ],
)
def test_the_next_step_is_said(case: ShownCase, after_h: float, says: str) -> None:
    assert says in next_step(case, OPENED + timedelta(hours=after_h))


def test_a_command_of_the_next_step_names_what_it_cannot_do_without() -> None:
    """Copied without it, it would be refused as wrong usage."""
    for case in (shown(), shown("open", BOB, CLEO)):
        assert "--key FILE" in next_step(case, OPENED + timedelta(hours=2))


def test_of_two_changes_at_once_the_later_one_is_said_to_be_too_late() -> None:
    """Nothing is wrong then: who proposed it proposes again."""
    leaves = parse_manifest(propose(NEWEST, [remove("cleo")], NOW).body)
    quorum = parse_manifest(propose(NEWEST, [set_quorum(disclosure=3)], NOW).body)

    assert "removes officer cleo" in _change_text("open", leaves, NEWEST)
    assert "has to be proposed again" in _change_text("open", leaves, quorum)
    assert "has made" in _change_text("executed", leaves, leaves)


@pytest.mark.parametrize("trick", ["\x1b[2K", "\u202e", "\u200b", "\x9b2K", "\r", "\u2028", "\u2066"])
def test_a_character_that_hides_or_turns_others_is_shown(trick: str) -> None:
    """Who opens a case writes its reason: it must read on the screen as it is signed."""
    assert visible(f"to{trick}bob") == "to" + trick.encode("unicode_escape").decode("ascii") + "bob"
    assert visible("zażółć “gęślą” — 日本 💶") == "zażółć “gęślą” — 日本 💶"

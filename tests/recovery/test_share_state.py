"""Who holds what, who was last seen when, and how many may be missing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from tests.recovery.office import Office
from vault_service.domain.alerts import Alert
from vault_service.domain.manifest import Manifest, Officer
from vault_service.policy.page_rules import AlertRule
from vault_service.recovery.share_state import ShareState, share_alerts, share_state
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.pool import Database

RULE = AlertRule()


@pytest.fixture(scope="module")
def trail(office: Office) -> Iterator[Database]:
    db = office.vault.keys.open("vault_auditor_keys", size=1)
    yield db
    db.close()


def state(office: Office, change: Manifest | None = None, trail: Database | None = None) -> ShareState:
    chain = office.acting("ana").trusted
    trusted = Chain(change or chain.newest, chain.hashes, chain.bodies)
    return share_state(office.parts, trusted, RULE, trail)


def with_officers(office: Office, *officers: Officer) -> Manifest:
    return structs.replace(office.acting("ana").manifest, officers=officers)


def codes(found: ShareState) -> list[str]:
    return [alert.code for alert in share_alerts(found)]


def alert_of(found: ShareState, code: str) -> Alert:
    return next(alert for alert in share_alerts(found) if alert.code == code)


def test_everybody_holds_a_share_and_one_may_be_missing(office: Office) -> None:
    found = state(office)

    assert [each.officer.name for each in found.people] == ["ana", "bob", "cleo"]
    assert (found.held, found.threshold, found.spare) == (3, 2, 1)
    assert all(each.holds_share and each.is_to_hold for each in found.people)
    assert "escrow-thin" in codes(found)  # threshold + 1: losing one more leaves no spare


def test_three_officers_decide_what_one_of_them_opened_only_together(office: Office) -> None:
    """Two of three must approve, and who opened it does not: nobody may be missing."""
    found = {each.kind: each.spare for each in state(office).deciders}

    assert found["regain"] == 1
    assert found["disclosure"] == found["officer-change"] == 0
    fragile = alert_of(state(office), "kind-fragile")
    assert "disclosure" in fragile.about
    assert "regain" not in fragile.about


def test_who_alone_may_open_a_kind_may_not_be_missing_however_many_decide(office: Office) -> None:
    ana, bob, cleo = office.acting("ana").manifest.officers
    bob, cleo = (
        structs.replace(
            each, roles=tuple(role for role in each.roles if role not in {"requester", "operator"})
        )
        for each in (bob, cleo)
    )
    more = (structs.replace(bob, officer_id=office.person().user, name=name) for name in ("dora", "emil"))

    found = {
        each.kind: each.spare for each in state(office, with_officers(office, ana, bob, cleo, *more)).deciders
    }

    assert found["regain"] == 3
    assert found["disclosure"] == found["officer-change"] == found["drill"] == 0


def test_losing_one_more_would_lock_the_escrow(office: Office) -> None:
    ana, bob, _ = office.acting("ana").manifest.officers

    found = state(office, with_officers(office, ana, bob))

    assert found.spare == 0
    assert alert_of(found, "escrow-last") == Alert("escrow-last", "now", n=2, of=2)
    assert "kind-impossible" in codes(found)  # one opens, and one alone is left to approve
    assert len(found.strangers) == 1  # cleo's share is still there until the next ceremony
    assert "stranger-share" in codes(found)


def test_fewer_shares_than_the_threshold_lock_it(office: Office) -> None:
    ana, bob, cleo = office.acting("ana").manifest.officers
    auditors = [structs.replace(each, roles=("auditor",)) for each in (bob, cleo)]

    assert alert_of(state(office, with_officers(office, ana, *auditors)), "escrow-locked").n == 1


def test_somebody_new_has_no_share_before_the_next_ceremony(office: Office) -> None:
    ana, bob, cleo = office.acting("ana").manifest.officers
    dora = structs.replace(ana, officer_id=office.person().user, name="dora", authenticators=())

    found = state(office, with_officers(office, ana, bob, cleo, dora))

    assert alert_of(found, "no-share").about == "dora"


def test_an_officer_who_decides_was_seen_and_others_are_idle_after_a_while(office: Office) -> None:
    shown = office.open(by="ana")
    before = office.parts.now()
    office.approve("bob", shown)

    bob = next(each for each in state(office).people if each.officer.name == "bob")
    assert bob.last_act is not None
    assert bob.last_act >= before
    assert not bob.is_idle

    later = replace(office, parts=replace(office.parts, now=lambda: before + timedelta(days=91)))
    assert alert_of(state(later), "officer-idle").level == "soon"
    assert [alert.about for alert in share_alerts(state(later)) if alert.code == "officer-idle"] == [
        "ana", "bob", "cleo",
    ]  # fmt: skip


def test_what_only_the_trail_knows_counts_too(office: Office, trail: Database) -> None:
    """Opening a case leaves no row in the officer's name but the event."""
    before = office.parts.now()
    office.open(by="cleo")

    cleo = next(each for each in state(office, trail=trail).people if each.officer.name == "cleo")

    assert cleo.last_act is not None
    assert cleo.last_act >= before


def test_holders_who_were_not_seen_for_long_may_be_none(office: Office) -> None:
    """Four shares on paper, and two people who show that they still have theirs."""
    found = state(office)
    first, *others = found.people
    four = replace(found, people=(first, *others, others[0]))
    away = replace(
        four, people=(*four.people[:2], *(replace(each, is_idle=True) for each in four.people[2:]))
    )

    assert (four.spare, four.seen_lately) == (2, 4)
    assert "escrow-unseen" not in codes(four)
    assert alert_of(away, "escrow-unseen") == Alert("escrow-unseen", "soon", n=2, of=2)
    assert not {"escrow-thin", "escrow-last", "escrow-locked"} & set(codes(away))

"""Shares: no secret for one person alone, and each share for one officer, purpose, token and generation."""

import itertools
from typing import Any

import pytest

from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.shares import (
    ESCROW_PIN,
    SECRET_BYTES,
    SharesRefusedError,
    combine,
    open_share,
    seal_share,
    split,
)
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import OfficerId, new_uuid

SECRET = bytes(range(SECRET_BYTES))


@pytest.mark.parametrize(("threshold", "people"), [(0, 3), (1, 1), (1, 3), (4, 3)])
def test_a_set_that_one_person_opens_or_nobody_is_not_made(threshold: int, people: int) -> None:
    with pytest.raises(SharesRefusedError):
        split(SECRET, threshold=threshold, people=people)


def test_the_threshold_of_shares_gives_the_secret_and_one_less_does_not() -> None:
    words = split(SECRET, threshold=3, people=4)

    for some in itertools.combinations(words, 3):
        assert combine(some) == SECRET
    with pytest.raises(SharesRefusedError):
        combine(words[:2])


@pytest.mark.parametrize(
    "moved",
    [
        {"officer": new_uuid()},
        {"purpose": "another"},
        {"token_serial": "another"},
        {"generation": 2},
    ],
    ids=lambda moved: next(iter(moved)),
)
def test_a_share_that_was_moved_does_not_open(moved: dict[str, Any]) -> None:
    """Whoever writes to the table of shares must not make officers hand in one for another."""
    ana = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "ana")
    place: dict[str, Any] = {"purpose": ESCROW_PIN, "token_serial": "here", "generation": 1}
    sealed = seal_share(ana.public(("approver",)), "some words", **place)

    assert open_share(ana.share_seed, sealed, officer=ana.officer, **place) == "some words"
    with pytest.raises(SealBrokenError):
        open_share(ana.share_seed, sealed, **{"officer": ana.officer, **place, **moved})

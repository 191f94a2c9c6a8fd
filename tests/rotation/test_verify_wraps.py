"""Outer layers are opened again, of all users or of a sample; what does not open is told by user and wrap."""

from collections.abc import Iterator

import pytest

from tests.rig.people import Person, enrol, kms_of
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from tests.rotation.pepper import as_superuser, events_of, move_everybody_out
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, UserId
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import FailedWrap, VerifyWraps, WrapsVerified
from vault_service.kms.service import KeyService
from vault_service.rotation.verify import wraps_there_are
from vault_service.storage.keys.peppered import PepperedUser, highest_hash, sample_page


@pytest.fixture(scope="module")
def turned(turned_by_many: Vault) -> Vault:
    return turned_by_many


@pytest.fixture(scope="module")
def people(turned: Vault) -> list[Person]:
    move_everybody_out(turned)
    return [enrol(turned, kms_of(turned)) for _ in range(6)]


@pytest.fixture
def victim(turned: Vault, api: KmsClient) -> Iterator[Person]:
    """Somebody more, for one test."""
    victim = enrol(turned, api)
    yield victim
    for table in ("credentials", "escrow_wraps", "deks", "logins", "users"):
        as_superuser(turned, f"DELETE FROM {table} WHERE user_id = %(u)s", u=victim.user)


def verify(
    operator: Operator, *, limit: int = 500, sample: int | None = None, seed: int = 0
) -> WrapsVerified:
    """Page by page to the end."""
    opened, after = 0, NOBODY
    failed: list[FailedWrap] = []
    while True:
        page = operator.kms.call(VerifyWraps(after, limit, sample, seed), WrapsVerified)
        opened, failed = opened + page.opened, failed + list(page.failed)
        if not page.more or page.last is None:
            return WrapsVerified(opened, tuple(failed), None, more=False)
        after = UserId(page.last)


@pytest.mark.parametrize("limit", [1, 2, 6, 7])
def test_all_wraps_are_opened_whatever_the_size_of_a_page(
    operator: Operator, people: list[Person], limit: int
) -> None:
    assert verify(operator, limit=limit).opened == wraps_there_are(operator.kms) == 3 * len(people)


def test_a_sample_is_about_as_large_as_asked_and_another_seed_chooses_others(
    operator: Operator, people: list[Person]
) -> None:
    sizes = [verify(operator, sample=3, seed=seed, limit=2).opened // 3 for seed in range(40)]

    assert len(set(sizes)) > 1
    assert 1.5 < sum(sizes) / len(sizes) < 4.5
    assert verify(operator, sample=1000).opened == 3 * len(people)


def test_a_sample_of_very_many_is_found_without_looking_at_all_of_them_at_once(
    turned: Vault, second: KeyService, people: list[Person]
) -> None:
    with second.db.connection() as conn:
        upto = highest_hash(conn, 2)
        all_at_once, _ = sample_page(conn, UserId(NOBODY), 100, upto_hash=upto, seed=3)
        found: list[PepperedUser] = []
        after: UserId | None = UserId(NOBODY)
        while after is not None:
            page, after = sample_page(conn, after, 100, upto_hash=upto, seed=3, look_at=1)
            found += page

    assert len(all_at_once) < len(people)
    assert tuple(found) == all_at_once


@pytest.mark.parametrize("sample", [None, 1000])
def test_a_wrap_that_does_not_open_is_told_with_an_event_and_the_rest_goes_on(
    turned: Vault, operator: Operator, people: list[Person], victim: Person, sample: int | None
) -> None:
    as_superuser(
        turned,
        """UPDATE escrow_wraps SET wrap = set_byte(wrap, 150, 255 - get_byte(wrap, 150))
           WHERE user_id = %(u)s""",
        u=victim.user,
    )  # fmt: skip

    found = verify(operator, sample=sample)

    assert found.failed == (FailedWrap(victim.user, "escrow"),)
    assert found.opened == 3 * len(people) + 2
    assert events_of(turned, victim.user)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED


def test_a_wrap_of_a_generation_that_there_never_was_does_not_open_and_asks_no_token(
    turned: Vault, operator: Operator, victim: Person
) -> None:
    as_superuser(turned, "UPDATE users SET pepper_gen = 99 WHERE user_id = %(u)s", u=victim.user)

    assert verify(operator).failed == (FailedWrap(victim.user, "login-name"),)

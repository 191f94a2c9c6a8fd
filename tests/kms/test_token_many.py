"""Many HMACs in one visit to the token: the same as one at a time, under the same guards."""

import pytest

from tests.kms.token_fixtures import SoftToken
from vault_service.domain.errors import TokenKeyError, TokenUnavailableError, WrongTokenError
from vault_service.kms.token.online import OnlineToken


@pytest.fixture
def two(online: OnlineToken) -> OnlineToken:
    online.create_hmac_key("pepper/1")
    online.create_hmac_key("pepper/2")
    return online


def test_they_are_those_of_one_at_a_time_in_their_order(two: OnlineToken) -> None:
    wanted = [(f"pepper/{1 + n % 2}", n.to_bytes(4, "big")) for n in range(600)]

    assert two.hmac_many(wanted) == [two.hmac(label, message) for label, message in wanted]
    assert two.hmac_many([]) == []
    assert two.calls["hmac"] == 2 * len(wanted)


def test_one_key_with_another_check_value_lets_none_be_computed(two: OnlineToken) -> None:
    """Somebody has plugged in another token: nothing is to be sealed under what is in it."""
    two.expect_check_values({"pepper/1": two.key_check_value("pepper/1"), "pepper/2": bytes(8)})

    with pytest.raises(WrongTokenError):
        two.hmac_many([("pepper/1", b"message"), ("pepper/2", b"message")])


def test_a_key_that_no_manifest_names_is_refused_as_for_one(two: OnlineToken) -> None:
    """A row in the database may name any generation; whoever logged in once may have planted its key."""
    two.expect_check_values({"pepper/1": two.key_check_value("pepper/1")})

    with pytest.raises(TokenKeyError, match="not among those"):
        two.hmac_many([("pepper/1", b"message"), ("pepper/2", b"message")])


def test_a_key_that_is_not_there_is_told_as_for_one(two: OnlineToken) -> None:
    with pytest.raises(TokenKeyError):
        two.hmac_many([("pepper/1", b"message"), ("pepper/3", b"message")])


def test_while_the_token_is_away_there_are_none(two: OnlineToken, soft_token: SoftToken) -> None:
    two.hmac_many([("pepper/1", b"message"), ("pepper/2", b"message")])
    soft_token.objects.rename(soft_token.home / "away")

    with pytest.raises(TokenUnavailableError):
        two.hmac_many([("pepper/1", b"message"), ("pepper/2", b"message")])

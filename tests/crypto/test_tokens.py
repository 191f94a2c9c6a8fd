"""Bearer tokens: one spelling each, and nothing of them in a log."""

import base64
import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_service.domain.errors import AppKeyRefusedError, SessionRefusedError, VaultError
from vault_service.domain.ids import AppId, SessionId, UserId
from vault_service.domain.tokens import AppKey, SessionToken, new_one_time_password, new_secret, secret_hash

SECRET = bytes(range(32))
APP_KEY = AppKey(AppId(UUID(int=1)), UUID(int=2), SECRET)
SESSION = SessionToken(UserId(UUID(int=1)), SessionId(UUID(int=2)), SECRET)
KINDS: list[tuple[type[AppKey] | type[SessionToken], str, type[VaultError]]] = [
    (AppKey, APP_KEY.reveal(), AppKeyRefusedError),
    (SessionToken, SESSION.reveal(), SessionRefusedError),
]
_ALPHABET = string.ascii_letters + string.digits + "-_"


def test_a_token_comes_back_as_it_was() -> None:
    assert AppKey.parse(APP_KEY.reveal()) == APP_KEY
    assert SessionToken.parse(SESSION.reveal()) == SESSION


@given(st.uuids(), st.uuids(), st.binary(min_size=32, max_size=32))
def test_any_token_comes_back_as_it_was(user: UUID, session: UUID, secret: bytes) -> None:
    token = SessionToken(UserId(user), SessionId(session), secret)

    assert SessionToken.parse(token.reveal()) == token
    assert token.reveal().startswith("vss_")


@pytest.mark.parametrize(("kind", "good", "error"), KINDS, ids=["app key", "session"])
def test_only_the_canonical_spelling_is_accepted(
    kind: type[AppKey] | type[SessionToken], good: str, error: type[VaultError]
) -> None:
    """A second spelling of a token would pass a list of revoked ones."""
    last = _ALPHABET[(_ALPHABET.index(good[-1]) + 1) % 64]
    body = base64.urlsafe_b64decode(good[4:] + "==")
    standard = good[:4] + base64.b64encode(b"\xff" * 64).decode().rstrip("=")
    odd = [
        "", good[:4], good[4:], good[:-1], good + "A", good + "=", good + "==", " " + good, good + " ",
        good + "\n", good[:4] + "\n" + good[4:], good.upper(), good[:3] + "-" + good[4:], good[:-1] + last,
        standard, good[:10] + "é" + good[11:], good[:10] + "\u0430" + good[11:], good[:10] + "\0" + good[11:],
        good[:4] + base64.urlsafe_b64encode(body[:-1]).decode(), good[:4] + "!" * 86, "vsx_" + good[4:],
    ]  # fmt: skip
    for token in odd:
        with pytest.raises(error):
            kind.parse(token)


@given(st.text(max_size=100) | st.text(_ALPHABET, min_size=86, max_size=86).map(lambda body: "vss_" + body))
def test_whatever_is_accepted_is_spelled_that_way_again(token: str) -> None:
    try:
        parsed = SessionToken.parse(token)
    except SessionRefusedError:
        return

    assert parsed.reveal() == token


def test_one_kind_is_not_taken_for_another() -> None:
    with pytest.raises(AppKeyRefusedError):
        AppKey.parse(SESSION.reveal())
    with pytest.raises(SessionRefusedError):
        SessionToken.parse(APP_KEY.reveal())


@pytest.mark.parametrize("token", [APP_KEY, SESSION])
def test_a_token_does_not_show_its_secret_when_printed(token: AppKey | SessionToken) -> None:
    assert repr(SECRET) not in repr(token)
    assert token.reveal() not in f"{token}{token!r}"


def test_secrets_are_32_bytes_and_never_twice_the_same() -> None:
    assert len({new_secret() for _ in range(200)}) == 200
    assert len(new_secret()) == 32
    assert len({new_one_time_password() for _ in range(200)}) == 200
    assert len(secret_hash(SECRET)) == 32
    assert secret_hash(SECRET) != secret_hash(SECRET[:-1])

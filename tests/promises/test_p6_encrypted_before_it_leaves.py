"""P6: data is encrypted before it reaches a database, at every write; nothing waits for logout.

Somebody listens in on both wires to PostgreSQL while every route is used, well and badly.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.everywhere import PLANTED, go_everywhere
from tests.api.live import connect, new_login, sign_in, sign_up
from tests.promises.tap import Tap, tapped
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import PASSWORD, Vault, running_vault
from vault_service.domain.ids import UserId
from vault_service.domain.tokens import SessionToken

pytestmark = pytest.mark.slow

COLLECTION = "canary-collection-3f1c"
TEXT = "Canary Überlänge 秘密"


@pytest.fixture(scope="module")
def listened(scratch: Path, postgres: TestServer) -> Iterator[tuple[Vault, dict[str, Tap]]]:
    """A vault whose processes reach both databases by tapped wires."""
    taps = {side: Tap(scratch / f"tap-{side}", postgres.cluster.sockets) for side in ("keys", "records")}
    with (
        taps["keys"].listening(),
        taps["records"].listening(),
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(
            scratch / "listened", tapped(keys, taps["keys"]), tapped(records, taps["records"])
        ) as vault,
    ):
        vault.start_api()
        yield vault, taps


def spellings(text: str) -> set[bytes]:
    """How a driver or a server may write a text, or a part of it that is long enough to be seen."""
    raw = text.encode()
    inside = {base64.b64encode(raw[start:])[: len(raw) * 4 // 3 - 4] for start in range(3)}
    escaped = text.encode("unicode_escape")
    return {raw, raw.lower(), raw.hex().encode(), raw.hex().upper().encode(), escaped, *inside}


def heard(wire: bytes, texts: list[str]) -> list[str]:
    return [text for text in texts if any(spelling in wire for spelling in spellings(text))]


def test_no_value_login_password_or_token_crosses_the_wire_to_a_database(
    listened: tuple[Vault, dict[str, Tap]],
) -> None:
    vault, taps = listened
    tokens = go_everywhere(vault)
    login = new_login()
    with connect(vault, vault.app_key) as app:
        user = sign_up(app, login).json()["user_id"]
        token = sign_in(app, login).json()["token"]
    with connect(vault, token) as http:
        body = {"collection": COLLECTION, "fields": {"text": TEXT, TEXT: 1}}
        record = http.post("/v1/records", json=body, headers={"Idempotency-Key": "canary-key-77aa"})
        assert http.get(record.headers["Location"]).json()["fields"] == body["fields"]

    secrets = [token[4:], *(each[4:] for each in tokens)]
    texts = [*PLANTED, login, PASSWORD, COLLECTION, TEXT, "canary-key-77aa", *secrets]
    for side, tap in taps.items():
        assert heard(tap.sent(), texts) == [], side
    # The wire does carry what it should, and the same look finds it.
    for tap in taps.values():
        assert UserId(SessionToken.parse(token).user).bytes in tap.sent()
    assert user in str(SessionToken.parse(token).user)


def test_a_token_has_sent_only_its_hash(listened: tuple[Vault, dict[str, Tap]]) -> None:
    vault, taps = listened
    login = new_login()
    with connect(vault, vault.app_key) as app:
        sign_up(app, login)
        token = SessionToken.parse(sign_in(app, login).json()["token"])

    for tap in taps.values():
        for spelling in (token.secret, token.secret.hex().encode(), base64.b64encode(token.secret)[:40]):
            assert spelling not in tap.sent()


def test_what_was_acknowledged_is_stored_sealed_although_nobody_signs_out(
    listened: tuple[Vault, dict[str, Tap]],
) -> None:
    vault, taps = listened
    login = new_login()
    with connect(vault, vault.app_key) as app:
        sign_up(app, login)
        token = sign_in(app, login).json()["token"]
    with connect(vault, token) as http:
        body = {"collection": COLLECTION, "fields": {"text": TEXT}}
        path = http.post("/v1/records", json=body).headers["Location"]
    vault.running["api"].kill()

    with vault.records.superuser() as conn:
        row: Any = conn.execute(
            "SELECT sealed FROM records WHERE record_id = %(r)s", {"r": path.rpartition("/")[2]}
        ).fetchone()
    sealed = bytes(row[0])
    wire = taps["records"].sent()

    assert sealed in wire or sealed.hex().encode() in wire
    assert heard(sealed, [COLLECTION, TEXT]) == []
    vault.start_api()
    with connect(vault, token) as http:
        assert http.get(path).json()["fields"] == body["fields"]

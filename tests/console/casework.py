"""What an officer at the console does with cases, without a browser."""

import json
import re
from typing import Any
from uuid import UUID

from werkzeug.test import TestResponse

from tests.console.desk import Browser, Desk
from tests.rig.passkeys import SoftPasskey, seal_again

_DIGEST = re.compile(r'name="digest" value="([0-9a-f]{64})"')


def digest_of(browser: Browser, case: UUID) -> str:
    """Of the case as its page shows it."""
    found = _DIGEST.search(browser.get(f"/cases/{case}").text)
    assert found is not None
    return found[1]


def told(answer: TestResponse) -> dict[str, Any]:
    """The JSON of an answer."""
    content: dict[str, Any] = json.loads(answer.text)
    return content


def sign_all(browser: Browser, passkey: SoftPasskey, answer: TestResponse) -> TestResponse:
    """What passkey.js does until the server has nothing more to be signed; the last answer."""
    while answer.status_code == 200 and "intent_id" in (asked := told(answer)):
        answer = browser.send(asked, passkey, released=[_released(passkey, each) for each in asked["shares"]])
    return answer


def _released(passkey: SoftPasskey, share: dict[str, Any]) -> dict[str, Any]:
    sealed = seal_again(
        passkey.share_private,
        *(bytes.fromhex(share[name]) for name in ("sealed", "open_info", "ephemeral_pk", "release_info")),
    )
    return {"ceremony_id": share["ceremony_id"], "pin_gen": share["pin_gen"], "sealed": sealed.hex()}


def approve(browser: Browser, passkey: SoftPasskey, case: UUID, **fields: str) -> TestResponse:
    """From the page to the last signature."""
    content = {"digest": digest_of(browser, case), **fields}
    return sign_all(browser, passkey, browser.post(f"/cases/{case}/approve", content))


def opened(browser: Browser, passkey: SoftPasskey, kind: str, **fields: Any) -> UUID:
    """A case that this officer opens."""
    content = {"reason": "as the plan says", **fields}
    answer = sign_all(browser, passkey, browser.post(f"/cases/new/{kind}", content))
    assert answer.status_code == 200, answer.text
    location: str = told(answer)["location"]
    return UUID(location.removeprefix("/cases/"))


def approvals_of(desk: Desk, case: UUID) -> int:
    """How many stand in the table."""
    return int(desk.sql("SELECT count(*) FROM approvals WHERE case_id = %(case)s", case=case)[0][0])

"""Events are posted in their order, signed; what the receiver says decides what becomes of them."""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator

import pytest

from tests.audit.siem.test_file import events, lines
from tests.rig.certificates import Authority
from tests.rig.listeners import (
    LOOPBACK,
    HttpRequest,
    TlsListener,
    answer,
    listening,
    read_request,
    server_context,
)
from vault_service.audit.siem.receiver import EventsRefusedError, ReceiverUnavailableError
from vault_service.audit.siem.webhook import BodyFormat, Secret, WebhookReceiver
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound, client_context
from vault_service.outbound.errors import OutboundRefusedError, OutboundUnavailableError
from vault_service.outbound.signature import signing_key
from vault_service.outbound.url import HttpsUrl

OPEN = Outbound(AddressPolicy(["127.0.0.0/8"]))
KEY = base64.b64encode(bytes(range(32))).decode()


class Hook:
    """A receiver whose answer a test chooses."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[HttpRequest] = []

    def __call__(self, client: ssl.SSLSocket) -> None:
        self.requests.append(read_request(client))
        answer(client, self.status, **self.headers)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def listener(authority: Authority, hook: Hook) -> Iterator[TlsListener]:
    with listening(server_context(authority.issue("hook")), hook) as listener:
        yield listener


def receiver(
    listener: TlsListener, authority: Authority, *, token: Secret | None = None, key: Secret | None = None,
    body: BodyFormat = "lines", within_s: float = 10.0,
) -> WebhookReceiver:  # fmt: skip
    url = HttpsUrl.parse(f"https://{LOOPBACK}:{listener.port}/services/collector")
    tls = client_context(ca=authority.path)
    return WebhookReceiver("hook", url, OPEN, tls, token=token, key=key, body=body, within_s=within_s)


def test_events_come_as_json_lines_or_as_an_array(
    listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    receiver(listener, authority).deliver(events(0, 1))
    receiver(listener, authority, body="array").deliver(events(0, 1))

    first, second = hook.requests
    assert first.line == "POST /services/collector HTTP/1.1"
    assert (first.body, first.headers["content-type"]) == (lines(0, 1), "application/x-ndjson")
    assert json.loads(second.body) == [json.loads(each.json) for each in events(0, 1)]
    assert second.headers["content-type"] == "application/json"
    assert "authorization" not in first.headers
    assert "webhook-signature" not in first.headers


def test_the_receiver_can_check_who_sent_them(
    listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    """As the Standard Webhooks specification says, computed here by itself."""
    receiver(listener, authority, token=lambda: "s3cret", key=lambda: f"whsec_{KEY}").deliver(events(0))

    (request,) = hook.requests
    signed = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    )
    mac = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    assert request.headers["authorization"] == "Bearer s3cret"


def test_a_repeated_batch_has_the_id_that_it_had(
    listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    for batch in ((0, 1), (0, 1), (0, 2)):
        receiver(listener, authority).deliver(events(*batch))

    first, again, other = (request.headers["webhook-id"] for request in hook.requests)
    assert first == again != other


def test_secrets_are_read_each_time_so_that_they_can_be_changed(
    listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    tokens = ["old", "new"]
    hooked = receiver(listener, authority, token=lambda: tokens.pop(0))
    hooked.deliver(events(0))
    hooked.deliver(events(1))

    assert [each.headers["authorization"] for each in hook.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_taken_is_taken(status: int, listener: TlsListener, authority: Authority, hook: Hook) -> None:
    hook.status = status
    receiver(listener, authority).deliver(events(0))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_these_answers_are_about_the_events(
    status: int, listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    hook.status = status
    with pytest.raises(EventsRefusedError, match=str(status)):
        receiver(listener, authority).deliver(events(0))


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504])
def test_these_answers_are_about_the_receiver(
    status: int, listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    hook.status, hook.headers = status, {"Retry_After": "77", "Location": "https://10.0.0.1/"}
    with pytest.raises(ReceiverUnavailableError, match=str(status)) as refused:
        receiver(listener, authority).deliver(events(0))
    assert refused.value.wait_s == 77


def test_a_receiver_that_is_not_there_is_waited_for(listener: TlsListener, authority: Authority) -> None:
    listener.stop()
    with pytest.raises(OutboundUnavailableError):
        receiver(listener, authority).deliver(events(0))


def test_an_inner_address_is_refused_when_it_is_configured() -> None:
    for host in ("10.0.0.1", "[::1]", "169.254.169.254"):
        with pytest.raises(OutboundRefusedError):
            WebhookReceiver("hook", HttpsUrl.parse(f"https://{host}/"), OPEN, client_context())


def test_a_token_that_is_no_header_is_told_without_being_shown(
    listener: TlsListener, authority: Authority, hook: Hook
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        receiver(listener, authority, token=lambda: "hunter2\r\nHost: x").deliver(events(0))
    assert "hunter2" not in refused.value.detail
    assert hook.requests == []


@pytest.mark.parametrize("text", ["", "short", "whsec_", "whsec_!!!!", "whsec_" + KEY[:8], "x" * 23])
def test_a_signing_key_that_could_be_guessed_is_refused(text: str) -> None:
    with pytest.raises(VaultError, match="signing key"):
        signing_key(text)


def test_a_signing_key_is_base64_or_the_text_itself() -> None:
    assert signing_key(f"whsec_{KEY}") == bytes(range(32))
    assert signing_key("a" * 24) == b"a" * 24

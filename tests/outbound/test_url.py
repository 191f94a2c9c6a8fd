"""Addresses are read strictly: nothing that another program might read differently gets through."""

import pytest

from vault_service.outbound.errors import OutboundRefusedError
from vault_service.outbound.url import HttpsUrl, checked_host

READ = {
    "https://siem.example.org": ("siem.example.org", 443, "/", "siem.example.org"),
    "https://SIEM.Example.org./in?key=1&b": ("siem.example.org", 443, "/in?key=1&b", "siem.example.org"),
    "https://siem.example.org:8443/services/collector": (
        "siem.example.org", 8443, "/services/collector", "siem.example.org:8443",
    ),
    "https://siem.example.org?q": ("siem.example.org", 443, "/?q", "siem.example.org"),
    "https://[2606:4700::1111]:8443/x": ("2606:4700::1111", 8443, "/x", "[2606:4700::1111]:8443"),
    "https://1.1.1.1/x": ("1.1.1.1", 443, "/x", "1.1.1.1"),
    "https://host_1/x@y": ("host_1", 443, "/x@y", "host_1"),
}  # fmt: skip
REFUSED = [
    "http://siem.example.org/", "HTTPS://siem.example.org/", "ftp://siem.example.org", "siem.example.org", "",
    "https://", "https:///path", "https://user@siem.example.org/", "https://siem.example.org@10.0.0.1/",
    "https://user:pw@siem.example.org/", "https://siem.example.org#@10.0.0.1/", "https://siem.example.org/#x",
    "https://siem.example.org\\@10.0.0.1/", "https://siem.example.org/\\x", "https://siem.example.org/ x",
    "https://siem.example.org/\r\nHost: other", "https://siem.example.org/\n", "https://siem.example.org/\x00",
    "https://siem.exämple.org/", "https://siem.example.org:0/", "https://siem.example.org:65536/",
    "https://siem.example.org:/", "https://siem.example.org:٤٤٣/", "https://siem..example/", "https://.example/",
    "https://-x.example/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/",
    "https://127.0.0.1.5/", "https://[::1/", "https://::1/", "https://[fe80::1%25eth0]/", "https://a%2eb/",
    "https://[1.1.1.1]/", "https://[dead.beef]/", "https://[::ffff]1/",
    "https://siem.example.org/" + "a" * 2048,
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_an_address_is_read(text: str) -> None:
    url = HttpsUrl.parse(text)

    assert (url.host, url.port, url.target, url.authority) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_anything_unusual_is_refused_and_never_quoted(text: str) -> None:
    """A path may hold a secret, as those of many chat services do."""
    with pytest.raises(OutboundRefusedError) as refused:
        HttpsUrl.parse(text)
    assert "example" not in refused.value.detail


@pytest.mark.parametrize(
    "host",
    [
        "a" * 64 + ".example",
        "a." * 127 + "example",
        "exa mple",
        "0x7f",
        "1.2.3.4.0x5",
        "[1.1.1.1]",
        "[cafe]",
        "[]",
    ],
)
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(OutboundRefusedError):
        checked_host(host)

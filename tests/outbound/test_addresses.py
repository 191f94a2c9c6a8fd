"""Which addresses the vault sends to: those of the public Internet, and those that are listed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.errors import OutboundRefusedError

PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::8"]
CLOSED = [
    "127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "0.1.2.3", "::",
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1",
    "169.254.169.254", "fe80::1", "100.64.0.1", "100.127.255.255",
    "224.0.0.1", "239.255.255.255", "ff02::1", "240.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1",
    # the same once more, written as IPv6
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:1.1.1.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:7f00:1::", "fec0::1", "100::1", "5f00::1",
]  # fmt: skip
NO_ADDRESSES = [
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "010.0.0.1",
    "1.1.1.1 ",
    "١.1.1.1",
    "1.1.1.1/32",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_may_be_sent_to(address: str) -> None:
    assert str(AddressPolicy().check(address)) == address


@pytest.mark.parametrize("address", [*CLOSED, *NO_ADDRESSES, "fe80::1%eth0", "2606:4700::1111%lo"])
def test_everything_else_is_refused(address: str) -> None:
    with pytest.raises(OutboundRefusedError):
        AddressPolicy().check(address)


def test_what_is_listed_may_be_sent_to_and_nothing_beside_it() -> None:
    policy = AddressPolicy(["10.1.2.0/24", "fd12:3456::/32"])

    policy.check("10.1.2.200")
    policy.check("fd12:3456::1")
    for beside in ("10.1.3.1", "10.1.1.255", "fd12:3457::1", "::ffff:10.1.2.200", "64:ff9b::a01:2c8"):
        with pytest.raises(OutboundRefusedError):
            policy.check(beside)


@pytest.mark.parametrize(
    "network", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "2000::/3", "10.1.2.3/24", "10.1.2", "everything", ""]
)
def test_a_list_that_would_be_no_policy_is_refused(network: str) -> None:
    with pytest.raises(ConfigurationError, match="allow"):
        AddressPolicy([network])


@given(st.ip_addresses())
def test_whatever_python_holds_for_private_is_never_public(address: object) -> None:
    """A second opinion, of the standard library's own tables."""
    try:
        read = AddressPolicy().check(str(address))
    except OutboundRefusedError:
        return
    assert read.is_global
    assert not any(
        (read.is_private, read.is_loopback, read.is_link_local, read.is_multicast, read.is_reserved)
    )

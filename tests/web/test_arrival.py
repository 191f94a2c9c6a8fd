"""A request that trickles in ends, and one that has arrived is answered however long that takes."""

import socket
from collections.abc import Iterator

import pytest

from vault_service.web.arrival import Arrivals

pytestmark = pytest.mark.slow

SOON, NEVER = 0.0, 3600.0


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's and ours."""
    client, ours = socket.socketpair()
    with client, ours:
        ours.settimeout(20)
        yield client, ours


def test_a_head_that_takes_too_long_ends_where_it_is(ends: tuple[socket.socket, socket.socket]) -> None:
    client, ours = ends
    client.sendall(b"GET / HT")

    with Arrivals(head_s=SOON, whole_s=NEVER).bounded("one", ours):
        assert ours.recv(100) == b"GET / HT"
        assert ours.recv(100) == b"", "it is read as if the client had ended"
        ours.sendall(b"refused")

    assert client.recv(100) == b"refused"


def test_a_body_has_time_of_its_own_and_no_more(ends: tuple[socket.socket, socket.socket]) -> None:
    client, ours = ends
    arrivals = Arrivals(head_s=NEVER, whole_s=SOON)

    with arrivals.bounded("one", ours):
        arrivals.head_is_here("one")
        assert ours.recv(100) == b""
        ours.sendall(b"refused")

    assert client.recv(100) == b"refused"


def test_a_request_in_time_is_left_alone_and_so_is_what_follows_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client, ours = ends
    strict = Arrivals(head_s=SOON, whole_s=NEVER)
    with Arrivals(head_s=NEVER, whole_s=NEVER).bounded("one", ours):
        client.sendall(b"in time")
        assert ours.recv(100) == b"in time"

    other, theirs = socket.socketpair()
    with other, theirs, strict.bounded("two", theirs):
        assert theirs.recv(100) == b"", "what is due has been looked at"
    client.sendall(b"the next")
    assert ours.recv(100) == b"the next"

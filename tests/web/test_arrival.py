"""Requests that trickle in end, and answers that are taken in a trickle; our own work may take its time."""

import contextlib
import socket
from collections.abc import Iterator
from typing import NoReturn

import pytest

from vault_service.web.arrival import Arrivals
from vault_service.web.taking import Pace, Taking

pytestmark = pytest.mark.slow

SOON, NEVER = 0.0, 3600.0
ANY_PACE = Pace(0, NEVER)


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

    with Arrivals(head_s=SOON, whole_s=NEVER, pace=ANY_PACE).bounded("one", ours):
        assert ours.recv(100) == b"GET / HT"
        assert ours.recv(100) == b"", "it is read as if the client had ended"
        ours.sendall(b"refused")

    assert client.recv(100) == b"refused"


def test_a_body_has_time_of_its_own_and_no_more(ends: tuple[socket.socket, socket.socket]) -> None:
    client, ours = ends
    arrivals = Arrivals(head_s=NEVER, whole_s=SOON, pace=ANY_PACE)

    with arrivals.bounded("one", ours):
        arrivals.head_is_here("one")
        assert ours.recv(100) == b""
        ours.sendall(b"refused")

    assert client.recv(100) == b"refused"


def test_a_request_in_time_is_left_alone_and_so_is_what_follows_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client, ours = ends
    strict = Arrivals(head_s=SOON, whole_s=NEVER, pace=ANY_PACE)
    with Arrivals(head_s=NEVER, whole_s=NEVER, pace=ANY_PACE).bounded("one", ours):
        client.sendall(b"in time")
        assert ours.recv(100) == b"in time"

    other, theirs = socket.socketpair()
    with other, theirs, strict.bounded("two", theirs):
        assert theirs.recv(100) == b"", "what is due has been looked at"
    client.sendall(b"the next")
    assert ours.recv(100) == b"the next"


@pytest.fixture
def over_tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's end and ours, with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        for each in (listener, client):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.connect(listener.getsockname())
        ours, _ = listener.accept()
        with ours:
            yield client, ours


def trickle(ours: socket.socket, client: socket.socket, reads: int) -> NoReturn:
    while True:
        ours.send(b"x" * 4096)
        if reads:
            client.recv(reads)


@pytest.mark.parametrize("reads", [1, 0])
def test_who_takes_an_answer_too_slowly_does_not_keep_our_thread(
    over_tcp: tuple[socket.socket, socket.socket], reads: int
) -> None:
    """A byte now and then keeps it from being silent, and would hold a thread for hours."""
    client, ours = over_tcp
    arrivals = Arrivals(head_s=NEVER, whole_s=NEVER, pace=Pace(10**9, 0.1))
    ours.settimeout(60)

    with arrivals.bounded("one", ours):
        arrivals.head_is_here("one")
        with pytest.raises(OSError, match="pipe"):
            trickle(ours, client, reads)


def test_who_takes_it_at_our_pace_may_take_as_long_as_it_is(
    over_tcp: tuple[socket.socket, socket.socket],
) -> None:
    """And one that waits for us, with nothing to take, is left alone."""
    client, ours = over_tcp
    taking, stern = Taking(Pace(1, 5.0)), Taking(Pace(10**9, 5.0))
    assert not any(stern.is_too_slow(ours, float(now)) for now in range(20)), "nothing waits"
    for each in (client, ours):
        each.setblocking(False)

    judged = []
    for now in range(20):
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 4096)
        judged.append((taking.is_too_slow(ours, float(now)), stern.is_too_slow(ours, float(now))))
        with contextlib.suppress(BlockingIOError):
            while True:
                client.recv(4096)

    assert not any(here for here, _ in judged)
    assert any(there for _, there in judged), "it waited all the time"

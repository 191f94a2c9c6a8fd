"""Every answer that C2SP tlog-witness names, over a real socket."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.witness.watched import LOG, NOW, Log, Place, ours, over, raw, serving
from vault_service.tlog.add_checkpoint import AddCheckpoint, parse_cosignatures
from vault_service.tlog.cosignature import cosigned_at
from vault_service.tlog.keys import Signature
from vault_service.tlog.note import Note
from vault_service.witness.server import MAX_BODY
from vault_service.witness.witness import Witness

pytestmark = pytest.mark.slow


@pytest.fixture
def client(witness: Witness, scratch: Path) -> Iterator[httpx.Client]:
    path = scratch / "witness.sock"
    with serving(witness, [ours(path)]), over(path) as client:
        yield client


def ask(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/add-checkpoint", content=body)


def size_of(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, "text/x.tlog.size")
    return answer.text


def test_an_append_is_cosigned_at_the_time_of_the_witness(
    client: httpx.Client, log: Log, place: Place
) -> None:
    first, grown = ask(client, log.request(0)), log.grow(300)
    second = ask(client, grown.request(5))

    assert (first.status_code, second.status_code) == (200, 200)
    (cosignature,) = parse_cosignatures(second.text)
    assert cosigned_at(place.vkey, grown.checkpoint().body(), cosignature) == int(NOW.timestamp())


def test_the_same_head_is_cosigned_again(client: httpx.Client, log: Log) -> None:
    """An idle log stays fresh."""
    assert [ask(client, log.request(old)).status_code for old in (0, 5, 5)] == [200, 200, 200]


def test_an_empty_log_is_cosigned_and_then_its_first_leaves(client: httpx.Client, log: Log) -> None:
    assert [ask(client, log.request(0, size)).status_code for size in (0, 0, 5)] == [200, 200, 200]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"",
        lambda body: body[:-1],
        lambda body: body + b"\n",
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old"),
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\nnot base64\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"=\n" * 64),
        lambda body: body.replace(b"\n5\n", b"\n05\n"),
        lambda body: body.replace(b"\n5\n", "\n٥\n".encode()),
        lambda body: b"\xff" + body,
    ],
)
def test_a_request_in_another_form_is_a_bad_one(client: httpx.Client, log: Log, change) -> None:  # type: ignore[no-untyped-def]
    assert ask(client, change(log.request(0))).status_code == 400


def test_an_old_size_beyond_the_checkpoint_is_a_bad_request(client: httpx.Client, log: Log) -> None:
    ask(client, log.request(0))

    assert ask(client, AddCheckpoint(6, (), log.note()).format().encode()).status_code == 400


@pytest.mark.parametrize("length", [MAX_BODY + 1, 10**12])
def test_a_body_that_is_too_large_is_a_bad_request_before_it_comes(
    client: httpx.Client, scratch: Path, length: int
) -> None:
    with raw(scratch / "witness.sock") as connection:
        connection.sendall(
            f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_body_in_chunks_is_a_bad_request(client: httpx.Client, log: Log) -> None:
    assert client.post("/add-checkpoint", content=iter([log.request(0)])).status_code == 400


def test_a_log_that_nobody_named_is_unknown(client: httpx.Client) -> None:
    assert ask(client, Log("somebody.example/log").grow(3).request(0)).status_code == 404


@pytest.mark.parametrize(
    "suffix",
    ["/restored-0", "/restored-01", "/restored-", "/restored-1x", "/restored-1/restored-2", "/restored-٣",
     "/restored-1٣", "x", "/", "/restored--1", "/restored-1000000"],
)  # fmt: skip
def test_an_origin_that_only_begins_like_a_logs_is_unknown(
    client: httpx.Client, log: Log, suffix: str
) -> None:
    assert ask(client, log.request(0, origin=LOG + suffix)).status_code == 404


def test_a_restored_log_is_one_of_its_own(client: httpx.Client, log: Log, witness: Witness) -> None:
    ask(client, log.request(0))

    answer = ask(client, log.request(0, 3, origin=f"{LOG}/restored-1"))

    assert answer.status_code == 200
    assert {head.origin: head.size for head in witness.heads()} == {LOG: 5, f"{LOG}/restored-1": 3}


def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden(client: httpx.Client, log: Log) -> None:
    stranger, text = Log(LOG).grow(5), log.checkpoint().body()
    forged = Signature(log.vkey.name, log.vkey.key_id, stranger.key.sign(text.encode()))
    for signature in (stranger.sign(text), forged):
        body = AddCheckpoint(0, (), Note(text, (signature,))).format().encode()
        assert ask(client, body).status_code == 403


def test_signatures_of_strangers_are_ignored_and_not_kept(
    client: httpx.Client, log: Log, witness: Witness
) -> None:
    note, stranger = log.note(), Log("stranger.example").grow(5)
    signatures = (stranger.sign(note.text), *note.signatures)

    assert ask(client, AddCheckpoint(0, (), Note(note.text, signatures)).format().encode()).status_code == 200
    assert "stranger" not in witness.heads()[0].note


def test_one_good_signature_does_not_hide_a_bad_one_of_another_known_key(
    place: Place, log: Log, scratch: Path
) -> None:
    """After a rotation both keys sign: one that fails says that something is wrong."""
    rotated = Log(LOG, log.leaves)
    text = log.checkpoint().body()
    bad = Signature(rotated.vkey.name, rotated.vkey.key_id, log.key.sign(text.encode()))
    path = scratch / "two.sock"
    with place.open(log, rotated) as witness, serving(witness, [ours(path)]), over(path) as client:
        refused = ask(client, AddCheckpoint(0, (), Note(text, (log.sign(text), bad))).format().encode())
        both = Note(text, (log.sign(text), rotated.sign(text)))
        accepted = ask(client, AddCheckpoint(0, (), both).format().encode())
        assert (refused.status_code, accepted.status_code) == (403, 200)
        assert ask(client, rotated.grow(6).request(5)).status_code == 200


@pytest.mark.parametrize("old", [0, 3, 4])
def test_another_old_size_is_answered_with_the_one_that_was_cosigned(
    client: httpx.Client, log: Log, old: int
) -> None:
    ask(client, log.request(0))

    assert size_of(ask(client, log.grow(9).request(old))) == "5\n"


def test_a_log_that_went_back_is_told_how_far_it_was(client: httpx.Client, log: Log) -> None:
    """An old database was restored, or somebody cut the log's end off."""
    ask(client, log.request(0))

    assert size_of(ask(client, log.request(0, 3))) == "5\n"
    assert size_of(ask(client, log.request(3, 3))) == "5\n"


@pytest.mark.parametrize("old", [0, 5])
def test_a_fork_is_refused_and_kept_as_evidence(
    client: httpx.Client, log: Log, place: Place, old: int
) -> None:
    ask(client, log.request(0))
    fork = log.copy(4).grow(5, "another event")

    assert size_of(ask(client, fork.request(old))) == "5\n"
    assert size_of(ask(client, log.request(0))) == "5\n"
    assert fork.note().text.replace("\n", "\\n") in place.state.read_text()


def test_a_proof_of_another_history_does_not_get_through(client: httpx.Client, log: Log) -> None:
    ask(client, log.request(0))
    rewritten = log.copy(4).grow(9, "another event")

    assert ask(client, rewritten.request(5)).status_code == 422
    assert ask(client, log.grow(9).request(5)).status_code == 200


@pytest.mark.parametrize("old", [0, 5])
def test_a_proof_where_there_is_nothing_to_prove_is_refused(client: httpx.Client, log: Log, old: int) -> None:
    if old:
        ask(client, log.request(0))

    assert ask(client, AddCheckpoint(old, (bytes(32),), log.note()).format().encode()).status_code == 422


def test_a_missing_proof_is_refused(client: httpx.Client, log: Log) -> None:
    ask(client, log.request(0))

    assert ask(client, AddCheckpoint(5, (), log.grow(9).note()).format().encode()).status_code == 422


def test_there_is_nothing_else_to_ask_for(client: httpx.Client) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/add-checkpoint").status_code == 404
    assert client.post("/").status_code == 404

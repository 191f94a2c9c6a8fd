"""The log asks its witnesses: real ones, and peers that lie, hang or drip."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.audit.answering import answering, http
from tests.rig.certificates import Authority
from tests.rig.vault import free_port
from tests.witness.watched import NOW, Log, Place, ours, serving
from vault_service.audit.cosigners import (
    Cosigner,
    CosignerAheadError,
    CosignerForkError,
    CosignerRefusedError,
    CosignerUnavailableError,
    collect,
)
from vault_service.audit.witness_url import WitnessTls
from vault_service.domain.errors import ConfigurationError, DatabaseUnavailableError, VaultError
from vault_service.tlog.add_checkpoint import format_cosignatures
from vault_service.tlog.cosignature import cosign, cosigned_at
from vault_service.tlog.keys import Signature
from vault_service.witness.key import CosigningKey, load_key
from vault_service.witness.server import ServerTls, TcpListener
from vault_service.witness.witness import Witness

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path).prepare()


@pytest.fixture
def log() -> Log:
    return Log().grow(5)


@pytest.fixture
def witness(place: Place, log: Log) -> Iterator[Witness]:
    with place.open(log) as opened:
        yield opened


@pytest.fixture
def path(witness: Witness, scratch: Path) -> Iterator[Path]:
    path = scratch / "cosigner.sock"
    with serving(witness, [ours(path)]):
        yield path


def of(place: Place, path: Path, *, timeout_s: float = 10.0) -> Cosigner:
    return Cosigner(place.vkey, f"unix:{path}", timeout_s=timeout_s, clock=lambda: NOW)


def ask(cosigner: Cosigner, log: Log, hint: int = 0, size: int | None = None) -> Signature:
    return cosigner.cosign(log.signed(size), hint, lambda old: log.proof(old, size))


class TestAWitnessThatDoesItsWork:
    """Over a Unix socket, TLS and loopback."""

    def test_its_cosignature_is_of_this_checkpoint(self, place: Place, path: Path, log: Log) -> None:
        signature = ask(of(place, path), log)

        assert cosigned_at(place.vkey, log.note().text, signature) == int(NOW.timestamp())

    @pytest.mark.parametrize("hint", [0, 3, 5, 9, 10**9, -1])
    def test_it_is_asked_again_from_the_size_that_it_has(
        self, place: Place, path: Path, log: Log, hint: int
    ) -> None:
        ask(of(place, path), log)

        ask(of(place, path), log.grow(9), hint)

    def test_what_it_cosigned_is_known_better_than_the_hint(self, place: Place, path: Path, log: Log) -> None:
        asked: list[int] = []
        cosigner = of(place, path)
        for size in (5, 7, 9):
            log.grow(size)
            cosigner.cosign(log.signed(), 0, lambda old: asked.append(old) or log.proof(old))  # type: ignore[func-returns-value]
        assert asked == [0, 5, 7]

    def test_over_tls_with_a_certificate_of_the_workers_own(
        self, witness: Witness, place: Place, log: Log, tmp_path: Path
    ) -> None:
        authority, port = Authority(tmp_path), free_port()
        shown, mine = authority.issue("witness.internal"), authority.issue("worker.internal")
        tls = ServerTls(shown.certificate, shown.key, authority.path)
        url = f"https://127.0.0.1:{port}"
        with serving(witness, [TcpListener("127.0.0.1", port, tls)]):
            known = WitnessTls(authority.path, mine.certificate, mine.key)
            ask(Cosigner(place.vkey, url, known, timeout_s=10, clock=lambda: NOW), log)
            for stranger in (WitnessTls(authority.path), WitnessTls(), None):
                with pytest.raises(CosignerUnavailableError):
                    ask(Cosigner(place.vkey, url, stranger, clock=lambda: NOW), log)

    def test_over_loopback(self, witness: Witness, place: Place, log: Log) -> None:
        port = free_port()
        with serving(witness, [TcpListener("127.0.0.1", port)]):
            url = f"http://127.0.0.1:{port}/"
            ask(Cosigner(place.vkey, url, timeout_s=10, clock=lambda: NOW), log)


class TestALogThatIsNotWhatItWas:
    """What a witness's refusal says of the log."""

    def test_one_that_was_rolled_back(self, place: Place, path: Path, log: Log) -> None:
        ask(of(place, path), log)
        for cosigner, hint in ((of(place, path), 0), (of(place, path), 3)):
            with pytest.raises(CosignerAheadError) as found:
                ask(cosigner, log, hint, 3)
            assert found.value.size == 5

    def test_one_that_was_forked(self, place: Place, path: Path, log: Log) -> None:
        ask(of(place, path), log)
        fork = log.copy(3).grow(5, "another event")
        for hint in (0, 5):
            with pytest.raises(CosignerForkError):
                ask(of(place, path), fork, hint)

    def test_one_that_was_rewritten_and_went_on(self, place: Place, path: Path, log: Log) -> None:
        ask(of(place, path), log)
        with pytest.raises(CosignerRefusedError) as refused:
            ask(of(place, path), log.copy(3).grow(9, "another event"))
        assert (refused.value.status, type(refused.value)) == (422, CosignerRefusedError)

    @pytest.mark.parametrize(("name", "status"), [("somebody.example/log", 404), (Log().name, 403)])
    def test_one_that_the_witness_does_not_know(
        self, place: Place, path: Path, name: str, status: int
    ) -> None:
        with pytest.raises(CosignerRefusedError) as refused:
            ask(of(place, path), Log(name).grow(5))
        assert refused.value.status == status


def test_a_witness_that_went_back_is_noticed(place: Place, log: Log, scratch: Path) -> None:
    """Its state was lost or restored: it goes on, but meanwhile it would have cosigned a fork."""
    path = scratch / "back.sock"
    cosigner = of(place, path)
    with place.open(log) as witness, serving(witness, [ours(path)]):
        ask(cosigner, log, 0, 3)
        older = place.state.read_bytes()
        ask(cosigner, log, 0, 5)
    place.state.write_bytes(older)
    with place.open(log) as witness, serving(witness, [ours(path)]), capture_logs() as logged:
        ask(cosigner, log.grow(9))
    assert [(line["event"], line["n"]) for line in logged if line["event"].startswith("cosigner")] == [
        ("cosigner.went_back", 3)
    ]


def _cosigned(place: Place, log: Log, *, later_s: int = 0, name: str | None = None) -> str:
    key = load_key(place.key).key
    at = int((NOW + timedelta(seconds=later_s)).timestamp())
    return format_cosignatures([cosign(key.private, name or key.name, log.note().text, at)])


class TestAPeerThatIsNoWitness:
    """Nothing is believed without the witness's signature."""

    @pytest.mark.parametrize(
        "said",
        [
            b"", b"nonsense", b"HTTP/1.1 200", b"HTTP/1.1 abc\r\n\r\n", http(200)[:40],
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000,
            http(409, "05\n", "text/x.tlog.size"), http(409, "5", "text/x.tlog.size"),
            http(409, "", "text/x.tlog.size"), http(409, "-1\n", "text/x.tlog.size"),
        ],
    )  # fmt: skip
    def test_an_answer_that_is_none(self, place: Place, log: Log, scratch: Path, said: bytes) -> None:
        with (
            answering(scratch / "odd.sock", lambda _: said),
            pytest.raises((CosignerUnavailableError, CosignerRefusedError)),
        ):
            ask(of(place, scratch / "odd.sock"), log)

    @pytest.mark.parametrize("status", [201, 204, 301, 400, 403, 404, 409, 418, 422, 500, 503])
    def test_another_status_is_a_refusal_that_tells_it(
        self, place: Place, log: Log, scratch: Path, status: int
    ) -> None:
        with (
            answering(scratch / "odd.sock", lambda _: http(status, "5\n")) as bodies,
            pytest.raises(CosignerRefusedError) as refused,
        ):
            ask(of(place, scratch / "odd.sock"), log)
        assert (refused.value.status, len(bodies)) == (status, 1)

    def test_cosignatures_by_others_or_of_something_else(
        self, place: Place, log: Log, scratch: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        other = Place(tmp_path / "other").prepare()
        for said in (
            "", "\n", "— a b\n", _cosigned(other, log), _cosigned(place, log.copy(4)),
            _cosigned(place, log, name="w2"), _cosigned(place, log, later_s=301),
            _cosigned(place, log, later_s=-301),
            format_cosignatures([log.sign(log.note().text)]),
        ):  # fmt: skip
            with (
                answering(scratch / "odd.sock", lambda _, said=said: http(200, said)),  # type: ignore[misc]
                pytest.raises(CosignerRefusedError),
            ):
                ask(of(place, scratch / "odd.sock"), log)

    def test_its_own_among_others_is_taken(
        self, place: Place, log: Log, scratch: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        other = Place(tmp_path / "other").prepare()
        other_line = _cosigned(other, log).replace(" witness", " another")
        said = other_line + _cosigned(place, log, later_s=300)
        with answering(scratch / "odd.sock", lambda _: http(200, said)):
            assert ask(of(place, scratch / "odd.sock"), log).name == place.vkey.name

    def test_one_that_always_names_another_size_is_given_up(
        self, place: Place, log: Log, scratch: Path
    ) -> None:
        sizes = iter([1, 2, 3, 4] * 100)
        with (
            answering(
                scratch / "odd.sock", lambda _: http(409, f"{next(sizes)}\n", "text/x.tlog.size")
            ) as bodies,
            pytest.raises(CosignerRefusedError),
        ):
            ask(of(place, scratch / "odd.sock"), log)
        assert len(bodies) < 10

    @pytest.mark.parametrize("pause_s", [0.0, 0.05], ids=["silent", "dripping"])
    def test_one_that_takes_its_time_is_given_up(
        self, place: Place, log: Log, scratch: Path, pause_s: float
    ) -> None:
        """A byte now and then must not keep the thread: all of it has one deadline."""
        said = http(200, "x" * 4000) if pause_s else None
        with (
            answering(scratch / "odd.sock", lambda _: said, pause_s=pause_s),
            pytest.raises(CosignerUnavailableError),
        ):
            ask(of(place, scratch / "odd.sock", timeout_s=0.3), log)

    def test_nobody_at_the_address(self, place: Place, log: Log, scratch: Path) -> None:
        with pytest.raises(CosignerUnavailableError):
            ask(of(place, scratch / "nobody.sock"), log)


@pytest.mark.parametrize(
    "url",
    ["http://witness.example.org/", "http://10.0.0.1", "ftp://127.0.0.1", "witness.example.org",
     "unix:relative", "https://", "https://user:secret@witness.example.org/", "https://w.example/?a=b", "https://w.example/#a",
     "https://w.example:99999/", "http://127.0.0.1.example.org/", ""],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_its_secret(place: Place, url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Cosigner(place.vkey, url)
    assert "secret" not in refused.value.detail


def test_the_key_of_a_log_is_no_witnesss(log: Log) -> None:
    with pytest.raises(ConfigurationError):
        Cosigner(log.vkey, "unix:/nowhere")


class TestAllAtOnce:
    """`collect` asks every witness; a dead one costs its own cosignature only."""

    def test_all_are_asked_at_once(self, log: Log, scratch: Path) -> None:
        """Nobody is answered before everybody has asked: one after the other, no one ever were."""
        together = threading.Barrier(8)
        heard: list[int] = []

        def refuse(_: bytes) -> bytes:
            together.wait(20)
            return http(503)

        cosigners = [
            Cosigner(CosigningKey.generate(f"w/{n}").verifier(), f"unix:{scratch / 'all.sock'}", timeout_s=20)
            for n in range(8)
        ]

        def failed(_: Cosigner, error: VaultError) -> None:
            assert isinstance(error, CosignerRefusedError)
            heard.append(error.status)

        with answering(scratch / "all.sock", refuse):
            assert collect(cosigners, log.signed(), 0, log.proof, failed=failed) == []
        assert heard == [503] * 8

    def test_a_dead_one_costs_its_own_cosignature_only(
        self, place: Place, path: Path, log: Log, scratch: Path
    ) -> None:
        dead = Cosigner(
            CosigningKey.generate("dead").verifier(), f"unix:{scratch / 'dead.sock'}", timeout_s=0.5
        )
        heard: list[tuple[str, str]] = []
        with answering(scratch / "dead.sock", lambda _: None):
            found = collect(
                [dead, of(place, path), dead], log.signed(), 0, log.proof,
                failed=lambda cosigner, error: heard.append((cosigner.vkey.name, error.code)),
            )  # fmt: skip
        assert [each.name for each in found] == [place.vkey.name]
        assert heard == [("dead", CosignerUnavailableError.code)] * 2

    def test_a_silent_one_does_not_slow_every_turn(
        self, place: Place, path: Path, log: Log, scratch: Path
    ) -> None:
        """It is asked now and then; at once where without it there are too few."""
        asked: list[int] = []
        silent = Cosigner(
            CosigningKey.generate("silent").verifier(), f"unix:{scratch / 'silent.sock'}", timeout_s=1
        )
        both = [silent, of(place, path)]
        with answering(scratch / "silent.sock", lambda _: asked.append(1)):
            for _ in range(3):
                assert len(collect(both, log.signed(), 0, log.proof, need=1)) == 1
            assert len(asked) == 1
            for _ in range(2):
                collect(both, log.signed(), 0, log.proof, need=2)
            assert len(asked) == 3

    def test_one_that_refuses_at_once_is_asked_each_time(
        self, place: Place, path: Path, log: Log, scratch: Path
    ) -> None:
        """It costs nothing, and is there again as soon as it lives."""
        gone = Cosigner(CosigningKey.generate("gone").verifier(), f"unix:{scratch / 'gone.sock'}")
        heard: list[str] = []
        for _ in range(3):
            collect(
                [gone, of(place, path)], log.signed(), 0, log.proof, need=1,
                failed=lambda cosigner, _: heard.append(cosigner.vkey.name),
            )  # fmt: skip
        assert heard == ["gone"] * 3

    def test_each_proof_is_made_once(self, place: Place, path: Path, log: Log) -> None:
        asked: list[int] = []

        def proof_for(old: int) -> tuple[bytes, ...]:
            asked.append(old)
            return log.proof(old)

        assert len(collect([of(place, path) for _ in range(8)], log.signed(), 0, proof_for)) == 8
        assert sorted(asked) == sorted(set(asked))

    def test_with_no_witness_there_is_no_cosignature(self, log: Log) -> None:
        assert collect([], log.signed(), 0, log.proof) == []

    def test_a_database_that_is_away_is_each_ones_failure(self, place: Place, path: Path, log: Log) -> None:
        heard: list[VaultError] = []

        def proof_for(_: int) -> tuple[bytes, ...]:
            raise DatabaseUnavailableError("the records database")

        assert (
            collect([of(place, path)], log.signed(), 0, proof_for, failed=lambda _, e: heard.append(e)) == []
        )
        assert [error.code for error in heard] == [DatabaseUnavailableError.code]

    def test_a_mistake_in_the_proofs_is_not_hidden(self, place: Place, path: Path, log: Log) -> None:
        with pytest.raises(ZeroDivisionError):
            collect([of(place, path)], log.signed(), 0, lambda old: [bytes(old // 0)])

    def test_a_finding_is_logged_as_an_error(self, place: Place, path: Path, log: Log) -> None:
        ask(of(place, path), log)
        with capture_logs() as logged:
            collect([of(place, path)], log.signed(3), 0, lambda old: log.proof(old, 3))
        assert [(line["log_level"], line["code"]) for line in logged] == [("error", CosignerAheadError.code)]

    def test_one_that_stays_away_is_said_once_and_again_when_it_is_back(
        self, place: Place, witness: Witness, log: Log, scratch: Path
    ) -> None:
        """There is a turn each second: a witness that is away for a night must not fill the disk."""
        path = scratch / "away.sock"
        away = of(place, path)
        with capture_logs() as logged:
            for _ in range(4):
                collect([away], log.signed(), 0, log.proof)
            with serving(witness, [ours(path)]):
                collect([away], log.signed(), 0, log.proof)
        assert [(line["event"], line["n"]) for line in logged if line["event"].startswith("cosigner")] == [
            ("cosigner.failed", 1),
            ("cosigner.goes_on", 4),
        ]

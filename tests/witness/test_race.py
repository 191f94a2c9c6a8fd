"""Several requests at once: what was answered is never taken back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.witness.watched import LOG, Log, Place, ours, over, serving
from vault_service.domain.errors import VaultError
from vault_service.witness.witness import Witness

_ROUNDS = 40


def test_of_two_requests_from_one_head_only_one_is_cosigned(place: Place) -> None:
    """The race that C2SP tlog-witness describes: the smaller of both must not follow the larger."""
    log = Log().grow(4 * _ROUNDS)
    with place.open(log) as witness:
        for round_ in range(_ROUNDS):
            old = max((head.size for head in witness.heads()), default=0)
            both = [log.request(old, old + 1), log.request(old, old + 2)]
            together = threading.Barrier(len(both))

            def ask(body: bytes, together: threading.Barrier = together) -> bool:
                together.wait()
                return _cosigned(witness, body)

            with ThreadPoolExecutor(len(both)) as threads:
                assert sorted(threads.map(ask, both)) == [False, True], round_


def test_clients_that_race_over_http_see_sizes_that_only_grow(place: Place, scratch: Path) -> None:
    """Each follows the witness by its answers; the state file has every head once, in order."""
    log = Log().grow(60)
    path = scratch / "race.sock"

    def follow(step: int) -> None:
        with over(path) as client:
            old = size = 0
            while size < len(log.leaves):
                size = min(old + step, len(log.leaves))
                answer = client.post("/add-checkpoint", content=log.request(old, size))
                assert answer.status_code in (200, 409)
                old = size if answer.status_code == 200 else int(answer.text)

    with place.open(log) as witness, serving(witness, [ours(path)]), ThreadPoolExecutor(6) as threads:
        list(threads.map(follow, range(1, 7)))
        written = [
            int(line.split('"size":')[1].split(",")[0]) for line in place.state.read_text().splitlines()[1:]
        ]
        assert written == sorted(set(written))
        assert {head.origin: head.size for head in witness.heads()} == {LOG: 60}


def _cosigned(witness: Witness, body: bytes) -> bool:
    try:
        witness.add_checkpoint(body)
    except VaultError:
        return False
    return True


def test_the_state_is_read_while_it_is_written(place: Place) -> None:
    """The worker copies the heads into its database from another thread."""
    log = Log().grow(30)
    seen: list[int] = []
    with place.open(log) as witness:
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                seen.extend(head.size for head in witness.heads())

        thread = threading.Thread(target=look)
        thread.start()
        for size in range(30):
            assert _cosigned(witness, log.request(size, size + 1))
        stop.set()
        thread.join()
    assert seen == sorted(seen)

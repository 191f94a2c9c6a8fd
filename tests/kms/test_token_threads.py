"""Many threads use the token at once; in a process of their own, where a crash is seen as one."""

import json

import pytest

from tests.kms.token_fixtures import SoftToken, start_program
from tests.kms.token_program import ROUNDS, THREADS

ATTEMPTS = 8


@pytest.mark.slow
def test_eight_threads_get_a_thousand_right_answers_each(soft_token: SoftToken) -> None:
    program = start_program("storm", soft_token)
    said, _ = program.communicate(timeout=110)

    assert program.returncode == 0, said
    report = json.loads(said.splitlines()[-1])
    assert report["faults"] == []
    assert report["logins"] == 1
    calls = report["calls"]
    assert calls["hmac"] + calls["sign"] + calls["has_key"] >= THREADS * ROUNDS


@pytest.mark.slow
def test_without_the_modules_locks_the_same_threads_fail(
    token_template: SoftToken, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Shows that the test above would see it: the module was told that there is one thread only."""
    outcomes: list[int] = []
    while not any(outcomes) and len(outcomes) < ATTEMPTS:
        token = token_template.copy_to(tmp_path_factory.mktemp("storm") / "token")
        program = start_program("storm_without_locking", token)
        said, _ = program.communicate(timeout=110)
        sound = program.returncode == 0 and json.loads(said.splitlines()[-1])["faults"] == []
        outcomes.append(0 if sound else program.returncode or 1)

    assert any(outcomes), "it never failed: is the module told about threads at all?"

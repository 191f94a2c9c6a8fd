"""Checkpoints outside the database: appended whole or not at all, and the newest is found again."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.coverage import BEGINNING, Coverage
from vault_service.audit.errors import CheckpointFileError

NOVEMBER, DECEMBER = (datetime(2026, month, 30, 23, 59, tzinfo=UTC) for month in (11, 12))


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path)


def test_the_newest_is_the_one_appended_last(file: CheckpointFile, tmp_path: Path) -> None:
    assert file.newest() is None
    for note in ("one\n", "two \N{EM DASH}\n", "three\n"):
        file.append(note, NOVEMBER)
        assert file.newest() == note
        assert CheckpointFile(tmp_path).newest() == note, "another process sees it as well"

    (path,) = tmp_path.iterdir()
    assert path.name == "checkpoints-2026-11"
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        "one\n", "two \N{EM DASH}\n", "three\n",
    ]  # fmt: skip
    assert path.stat().st_mode & 0o077 == 0


def test_each_month_has_its_file(file: CheckpointFile, tmp_path: Path) -> None:
    file.append("november", NOVEMBER)
    file.append("december", DECEMBER)

    assert file.newest() == "december"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_clock_that_was_set_back_hides_no_checkpoint(file: CheckpointFile) -> None:
    file.append("larger", DECEMBER)
    file.append("largest", NOVEMBER)

    assert file.newest() == "largest"


@pytest.mark.parametrize("torn", ['"half a li', '"', '"whole but for its end"'])
def test_a_torn_line_is_cut(file: CheckpointFile, tmp_path: Path, torn: str) -> None:
    """A crash in the middle of writing; two such notes must not become one line."""
    file.append("before", NOVEMBER)
    path = tmp_path / "checkpoints-2026-11"
    with path.open("a") as stream:
        stream.write(torn)

    assert file.newest() == "before"
    file.append("after", NOVEMBER)

    assert path.read_text() == '"before"\n"after"\n'


def test_a_file_of_nothing_but_a_torn_line_leads_to_the_month_before(
    file: CheckpointFile, tmp_path: Path
) -> None:
    file.append("november", NOVEMBER)
    (tmp_path / "checkpoints-2026-12").write_text('"dece')

    assert file.newest() == "november"


@pytest.mark.parametrize("line", ["no json", "17", '{"note": 1}', "null"])
def test_a_line_that_is_none_of_ours_is_refused(file: CheckpointFile, tmp_path: Path, line: str) -> None:
    """Going on would forget what the line stood for."""
    (tmp_path / "checkpoints-2026-11").write_text(line + "\n")

    with pytest.raises(CheckpointFileError):
        file.newest()


def test_a_folder_that_is_gone_is_an_error_and_not_an_empty_memory(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "gone")

    with pytest.raises(CheckpointFileError):
        file.newest()
    with pytest.raises(CheckpointFileError):
        file.append("note", NOVEMBER)


class TestCoverage:
    """Marks are times with the smallest transaction id that nobody had yet."""

    def at(self, second: int) -> datetime:
        return datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)

    def test_it_moves_to_the_last_mark_below_which_all_is_sealed(self) -> None:
        coverage = Coverage()
        for second, begun_below in ((1, 10), (2, 20), (3, 30)):
            coverage.mark(self.at(second), begun_below)

        coverage.sealed_below(9)
        assert coverage.until == BEGINNING
        coverage.sealed_below(20)
        assert coverage.until == self.at(2)
        coverage.sealed_below(29)
        assert coverage.until == self.at(2)

    def test_a_writer_that_holds_up_everything_for_long_costs_no_memory(self) -> None:
        coverage = Coverage()
        for number in range(5000):
            coverage.mark(self.at(number % 60), number)
        coverage.sealed_below(10_000)

        assert coverage.until > BEGINNING

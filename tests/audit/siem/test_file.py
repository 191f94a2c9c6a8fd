"""A file gets whole lines, on disk before they count, whatever is done to it in the meantime."""

import os
import resource
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from vault_service.audit.siem.file import FileReceiver
from vault_service.audit.siem.ocsf import OutgoingEvent, outgoing
from vault_service.audit.siem.receiver import ReceiverUnavailableError
from vault_service.domain.leaves import KeysLeaf


def events(*indexes: int) -> list[OutgoingEvent]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        outgoing(n, KeysLeaf(UUID(int=1), UUID(int=n), 3, at, None, None, None, None, None)) for n in indexes
    ]


def lines(*indexes: int) -> bytes:
    return b"".join(event.json + b"\n" for event in events(*indexes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


@pytest.fixture
def receiver(path: Path) -> FileReceiver:
    return FileReceiver("file", path)


def test_lines_are_appended(receiver: FileReceiver, path: Path) -> None:
    path.write_bytes(b"what was there\n")
    receiver.deliver(events(0, 1))
    receiver.deliver(events(2))

    assert path.read_bytes() == b"what was there\n" + lines(0, 1, 2)


def test_lines_are_on_disk_before_they_count(
    receiver: FileReceiver, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bytes]] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        real(descriptor)
        synced.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", noted)
    receiver.deliver(events(0))
    receiver.deliver(events(1))

    assert synced == [(True, b""), (False, lines(0)), (False, lines(0, 1))]


def test_nobody_else_may_write_it_and_its_group_may_read_it(receiver: FileReceiver, path: Path) -> None:
    before = os.umask(0)
    try:
        receiver.deliver(events(0))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_it_is_opened_anew_after_logrotate_has_moved_it_away(receiver: FileReceiver, path: Path) -> None:
    receiver.deliver(events(0))
    path.rename(path.with_suffix(".1"))
    receiver.deliver(events(1))
    path.unlink()
    receiver.deliver(events(2))

    assert path.with_suffix(".1").read_bytes() == lines(0)
    assert path.read_bytes() == lines(2)


def test_lines_that_came_while_it_was_moved_away_come_again(
    receiver: FileReceiver, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moved file may have been compressed before they were in it."""
    receiver.deliver(events(0))
    real, moved = os.fsync, path.with_suffix(".1")

    def move(descriptor: int) -> None:
        real(descriptor)
        if not moved.exists():
            path.rename(moved)

    monkeypatch.setattr(os, "fsync", move)
    receiver.deliver(events(1))

    assert moved.read_bytes() == lines(0, 1)
    assert path.read_bytes() == lines(1)


def test_a_line_that_a_crash_cut_off_is_ended_and_comes_again(receiver: FileReceiver, path: Path) -> None:
    path.write_bytes(lines(0) + lines(1)[:-20])
    receiver.deliver(events(1, 2))

    assert path.read_bytes() == lines(0) + lines(1)[:-20] + b"\n" + lines(1, 2)


def test_a_full_disk_is_waited_for_and_then_everything_is_there(receiver: FileReceiver, path: Path) -> None:
    """The limit on file sizes fails as a full disk does: half a line is written, then nothing more."""
    receiver.deliver(events(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(lines(0, 1)) + 100, hard))
    try:
        with pytest.raises(ReceiverUnavailableError, match="large"):
            receiver.deliver(events(1, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    receiver.deliver(events(1, 2))

    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line in lines(0, 1, 2)]
    assert whole == [*lines(0, 1).splitlines(keepends=True), *lines(1, 2).splitlines(keepends=True)]


def test_a_folder_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    receiver = FileReceiver("file", tmp_path / "later" / "keys.jsonl")
    with pytest.raises(ReceiverUnavailableError, match="No such file"):
        receiver.deliver(events(0))
    (tmp_path / "later").mkdir()
    receiver.deliver(events(0))

    assert (tmp_path / "later" / "keys.jsonl").read_bytes() == lines(0)


def test_it_follows_no_link(receiver: FileReceiver, path: Path, tmp_path: Path) -> None:
    """Whoever may write in the folder must not lead the worker to another of its files."""
    other = tmp_path / "other"
    other.write_bytes(b"untouched")
    path.symlink_to(other)

    with pytest.raises(ReceiverUnavailableError):
        receiver.deliver(events(0))
    assert other.read_bytes() == b"untouched"


def test_a_pipe_in_its_place_does_not_hold_it_up(receiver: FileReceiver, path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ReceiverUnavailableError, match="no regular file"):
            receiver.deliver(events(0))
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)

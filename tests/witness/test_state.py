"""What a witness remembers: after a crash at any instruction, on a full disk, for two processes at once."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.witness.dying import run_until_killed
from tests.witness.watched import LOG, NAME, Log, Place
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.witness.errors import LogForkedError, SizeConflictError
from vault_service.witness.key import CosigningKey, load_key
from vault_service.witness.state import StateFile, WitnessStateError
from vault_service.witness.witness import Witness

_SIZES = (1, 2, 3, 5, 8, 13)


def sizes(place: Place, log: Log) -> dict[str, int]:
    with place.open(log) as witness:
        return {head.origin: head.size for head in witness.heads()}


@pytest.mark.slow
@pytest.mark.parametrize("spare_lines", [1, 1000], ids=["written anew", "appended"])
def test_a_crash_at_any_step_leaves_the_head_that_was_answered_or_the_next(
    tmp_path: Path, spare_lines: int
) -> None:
    log = Log().grow(max(_SIZES))
    for kill_at in range(1, 100):
        (tmp_path / str(kill_at)).mkdir()
        place = Place(tmp_path / str(kill_at)).prepare()
        ended = run_until_killed(place, log, _SIZES, spare_lines, kill_at)
        answered = [int(each) for each in (place.folder / "answered").read_text().split()]
        done = max(answered, default=0)
        assert sizes(place, log).get(LOG, 0) in (done, next((each for each in _SIZES if each > done), done))
        assert run_until_killed(place, log, _SIZES, spare_lines, 0)
        assert sizes(place, log) == {LOG: _SIZES[-1]}
        if ended:
            assert answered == list(_SIZES)
            return
    raise AssertionError("it never came to its end")


def test_a_last_line_that_was_cut_off_anywhere_never_counted(place: Place, log: Log) -> None:
    with place.open(log) as witness:
        witness.add_checkpoint(log.request(0, 3))
        before = place.state.read_bytes()
        witness.add_checkpoint(log.request(3, 5))
    whole = place.state.read_bytes()

    for cut in (*range(len(before), len(whole), 13), len(whole) - 1):
        place.state.write_bytes(whole[:cut])
        assert sizes(place, log) == {LOG: 3}
        assert place.state.read_bytes() == before
    place.state.write_bytes(whole)
    assert sizes(place, log) == {LOG: 5}


def test_what_a_power_cut_left_as_zeros_never_counted(place: Place, log: Log) -> None:
    with place.open(log) as witness:
        witness.add_checkpoint(log.request(0))
    with place.state.open("ab") as file:
        file.write(bytes(300))

    assert sizes(place, log) == {LOG: 5}


@pytest.mark.parametrize("at", [5, 120, 121, 200, -5])
def test_damage_elsewhere_stops_the_witness(place: Place, log: Log, at: int) -> None:
    """Going on without a head would mean to cosign any head."""
    with place.open(log) as witness:
        witness.add_checkpoint(log.request(0, 3))
    content = bytearray(place.state.read_bytes())
    content[at] ^= 0x80
    place.state.write_bytes(content)

    with pytest.raises(ConfigurationError, match="is damaged"), place.open(log):
        pass


@pytest.mark.parametrize(("text", "other"), [('"size":3', '"size":2'), ('keys","size"', 'kezs","size"')])
def test_a_head_that_is_not_what_its_cosignature_says_stops_the_witness(
    place: Place, log: Log, text: str, other: str
) -> None:
    with place.open(log) as witness:
        witness.add_checkpoint(log.request(0, 3))
    written = place.state.read_text()
    assert written.count(text) == 1
    place.state.write_text(written.replace(text, other))

    with pytest.raises(ConfigurationError, match="is damaged"), place.open(log):
        pass


def test_a_full_disk_refuses_and_goes_on_when_there_is_space(place: Place, log: Log) -> None:
    """The disk takes part of a line: the next one must not be joined to it."""
    with place.open(log) as witness:
        witness.add_checkpoint(log.request(0, 1))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (place.state.stat().st_size + 50, hard))
        try:
            for _ in range(2):
                with pytest.raises(WitnessStateError):
                    witness.add_checkpoint(log.request(1, 3))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert witness.is_able
        assert [head.size for head in witness.heads()] == [1]

        witness.add_checkpoint(log.request(1, 4))
    assert sizes(place, log) == {LOG: 4}


def test_after_a_sync_that_failed_nothing_is_cosigned_until_it_is_started_anew(
    place: Place, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports a lost page once; a second sync would lie."""

    def fail(_: int) -> None:
        raise OSError("lost page")

    with place.open(log) as witness:
        with monkeypatch.context() as faulty:
            faulty.setattr(os, "fsync", fail)
            with pytest.raises(WitnessStateError):
                witness.add_checkpoint(log.request(0, 3))
        assert not witness.is_able
        with pytest.raises(WitnessStateError):
            witness.add_checkpoint(log.request(0, 3))
    with place.open(log) as witness:
        old = next((head.size for head in witness.heads()), 0)
        witness.add_checkpoint(log.request(old, 5))


def test_two_processes_cannot_have_one_state(place: Place, log: Log, witness: Witness) -> None:
    program = f"""
from tests.witness.watched import Log, Place
from pathlib import Path
with Place(Path({str(place.folder)!r})).open(Log()): pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "is in use by another witness" in done.stderr
    with pytest.raises(ConfigurationError, match="in use"), place.open(log):
        pass


def test_a_state_that_was_written_anew_is_still_one_processs_own(place: Place, log: Log) -> None:
    key = load_key(place.key).key
    state = StateFile(place.state, key.verifier().format(), spare_lines=2)
    witness = Witness(key, [log.vkey], state)
    for size in range(5):
        witness.add_checkpoint(log.request(size, size + 1))
        with pytest.raises(ConfigurationError, match="in use"):
            StateFile(place.state, key.verifier().format())
    assert len(place.state.read_text().splitlines()) < 5
    witness.close()
    assert sizes(place, log) == {LOG: 5}


def test_the_evidence_of_a_fork_outlives_that_the_state_is_written_anew(place: Place, log: Log) -> None:
    key = load_key(place.key).key
    fork = log.copy(2).grow(3, "another event")
    state = StateFile(place.state, key.verifier().format(), spare_lines=1)
    witness = Witness(key, [log.vkey], state)
    witness.add_checkpoint(log.request(0, 3))
    with pytest.raises(LogForkedError):
        witness.add_checkpoint(fork.request(3))
    for old, size in ((3, 4), (4, 5)):
        witness.add_checkpoint(log.request(old, size))
    witness.close()

    assert fork.signed().replace("\n", "\\n") in place.state.read_text()


def test_a_witness_whose_state_is_gone_does_not_start(place: Place, log: Log) -> None:
    """It would cosign whatever it is shown first, and nobody would see the difference."""
    with place.open(log):
        pass
    place.state.unlink()
    for is_there in (False, True):  # an empty file is no state either
        if is_there:
            place.state.touch(0o600)
        with pytest.raises(ConfigurationError, match="has been used"), place.open(log):
            pass


def test_a_state_that_was_rolled_back_shows_in_the_size_that_it_answers(place: Place, log: Log) -> None:
    with place.open(log) as witness:
        witness.add_checkpoint(log.request(0, 3))
        older = place.state.read_bytes()
        witness.add_checkpoint(log.request(3, 5))
    place.state.write_bytes(older)

    with place.open(log) as witness, pytest.raises(SizeConflictError) as refused:
        witness.add_checkpoint(log.grow(9).request(5))
    assert refused.value.size == 3


def test_another_witnesss_state_is_refused(place: Place, log: Log, tmp_path: Path) -> None:
    with place.open(log):
        pass
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other").prepare()
    other.state.write_bytes(place.state.read_bytes())
    other.state.chmod(0o600)

    with pytest.raises(ConfigurationError, match="another witness"), other.open(log):
        pass


def test_files_that_others_can_read_are_refused(place: Place, log: Log) -> None:
    with place.open(log):
        pass
    for path in (place.state, place.key):
        path.chmod(0o640)
        with pytest.raises(ConfigurationError, match="others"), place.open(log):
            pass
        path.chmod(0o600)
    assert (place.key.stat().st_mode & 0o777, place.state.stat().st_mode & 0o777) == (0o600, 0o600)


def test_a_state_behind_a_link_is_refused(place: Place, log: Log, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(0o600)
    place.state.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigurationError), place.open(log):
        pass


@pytest.mark.parametrize("content", ["", "\n", "PRIVATE+KEY+a+00000000+AAAA\n", "nothing", "PRIVATE+KEY+a\n"])
def test_a_key_file_that_holds_no_key_is_refused_without_quoting_it(place: Place, content: str) -> None:
    place.key.write_text(content)

    with pytest.raises(ConfigurationError, match="holds no cosigning key") as refused:
        load_key(place.key)
    assert not content.strip() or content.strip() not in refused.value.detail


def test_a_key_under_another_name_is_refused(place: Place) -> None:
    """The key's id binds the name, so that nobody renames a witness by hand."""
    place.key.write_text(place.key.read_text().replace(NAME, "witness.example.org/w2"))

    with pytest.raises(ConfigurationError):
        load_key(place.key)


def test_a_key_is_never_overwritten(place: Place) -> None:
    before = place.key.read_bytes()
    with pytest.raises(ConfigurationError, match="exists"):
        CosigningKey.generate(NAME).save(place.key)
    assert place.key.read_bytes() == before


@pytest.mark.parametrize("name", ["", "with space", "plus+plus", "line\nbreak"])
def test_a_name_that_notes_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        CosigningKey.generate(name)

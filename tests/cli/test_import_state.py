"""What an import writes down: enough to go on after a crash, nothing that could be guessed."""

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from vault_service.cli.people.append_only import AppendOnlyFile, NoRoomError
from vault_service.cli.people.journal import Journal
from vault_service.cli.people.mapping import Person
from vault_service.cli.people.passwords import Passwords, Way, generate_password
from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import ConfigurationError
from vault_service.policy.load import load_policies

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = "vsa_" + "A" * 86
ANA = Person(5, "ana@example.org", None, {}, {})


def test_each_line_is_found_as_far_as_it_came(tmp_path: Path) -> None:
    with AppendOnlyFile(tmp_path / "s") as file:
        journal = Journal(file, KEY)
        run = journal.run
        for line in (1, 2, 3):
            journal.begin(line, f"p{line}@example.org", NOW)
        for line in (2, 3):
            journal.signed_up(line, UUID(int=line))
        journal.finish(3)

    with AppendOnlyFile(tmp_path / "s") as file:
        journal = Journal(file, KEY)
        found = [journal.at(line) for line in (1, 2, 3, 4)]
        assert journal.run == run
        assert [progress.begun for progress in found] == [NOW, NOW, NOW, None]
        assert [(progress.signed_up, progress.done) for progress in found] == [
            (False, False), (True, False), (True, True), (False, False),
        ]  # fmt: skip


@pytest.mark.parametrize("lost", range(1, 40))
def test_a_last_line_that_a_crash_cut_off_is_dropped_and_the_file_goes_on(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "s"
    with AppendOnlyFile(path) as file:
        journal = Journal(file, KEY)
        journal.begin(1, "a", NOW)
        journal.finish(1)
        journal.begin(2, "b", NOW)
    os.truncate(path, path.stat().st_size - lost)

    with AppendOnlyFile(path) as file:
        journal = Journal(file, KEY)
        assert journal.at(1).done
        assert journal.at(2).begun is None
        journal.finish(2)
    with AppendOnlyFile(path) as file:
        assert Journal(file, KEY).at(2).done


def test_the_state_holds_no_login_and_no_hash_that_can_be_guessed(tmp_path: Path) -> None:
    """Whoever finds it, run number and all, cannot test whether somebody is in it."""
    for name, key in (("s1", KEY), ("s2", "vsa_" + "B" * 86)):
        with AppendOnlyFile(tmp_path / name) as file:
            file.append({"v": 1, "run": "same", "key": ""})
        with AppendOnlyFile(tmp_path / name) as file:
            Journal(file, key).begin(1, ANA.login, NOW)

    one, two = ((tmp_path / name).read_text() for name in ("s1", "s2"))
    assert ANA.login not in one
    assert KEY not in one
    assert json.loads(one.splitlines()[1])["who"] != json.loads(two.splitlines()[1])["who"]


def test_a_line_that_became_another_persons_is_noticed(tmp_path: Path) -> None:
    with AppendOnlyFile(tmp_path / "s") as file:
        journal = Journal(file, KEY)
        journal.begin(5, ANA.login, NOW)
        assert not journal.is_another(5, ANA.login)
        assert journal.is_another(5, "bob@example.org")
        assert not journal.is_another(6, "bob@example.org")
    with AppendOnlyFile(tmp_path / "s") as file:
        other_key = Journal(file, "vsa_" + "B" * 86)
        assert not other_key.same_app_key
        assert not other_key.is_another(5, ANA.login)


def test_the_time_of_the_first_attempt_stays(tmp_path: Path) -> None:
    with AppendOnlyFile(tmp_path / "s") as file:
        journal = Journal(file, KEY)
        journal.begin(5, ANA.login, NOW)
        journal.begin(5, ANA.login, NOW + timedelta(hours=5))
        assert not journal.at(5).keys_have_expired(NOW + timedelta(hours=22))
        assert journal.at(5).keys_have_expired(NOW + timedelta(hours=24))


def test_two_imports_never_share_a_state(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from vault_service.cli.people.append_only import AppendOnlyFile;"
        "AppendOnlyFile(Path(sys.argv[1])).append({'v': 1})"
    )
    with AppendOnlyFile(tmp_path / "s"):
        second = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "s"], capture_output=True, timeout=30, check=False
        )
    assert b"in use by another import" in second.stderr


@pytest.mark.parametrize("content", ["[1]\n", "not json\n", '{"v": 2, "run": "x"}\n', '{"line": 1}\n'])
def test_another_file_is_never_taken_for_a_state(tmp_path: Path, content: str) -> None:
    path = tmp_path / "s"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(ConfigurationError), AppendOnlyFile(path) as file:
        Journal(file, KEY)
    assert path.read_text() == content


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.touch(0o644)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="read by others"):
        AppendOnlyFile(path)
    with AppendOnlyFile(tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_a_generated_password_is_on_disk_before_it_is_given_out_and_the_same_after_a_crash(
    tmp_path: Path,
) -> None:
    with AppendOnlyFile(tmp_path / "h") as handover:
        password = Passwords(Way.GENERATE, handover).before_sign_up(ANA)
        assert json.loads((tmp_path / "h").read_text()) == {
            "line": 5, "login": ANA.login, "password": password
        }  # fmt: skip
    with AppendOnlyFile(tmp_path / "h") as handover:
        again = Passwords(Way.GENERATE, handover)
        assert again.known(ANA) == again.before_sign_up(ANA) == password
        corrected = Person(5, "anna@example.org", None, {}, {})
        assert again.before_sign_up(corrected) != password


def test_of_several_one_time_passwords_the_last_counts(tmp_path: Path) -> None:
    with AppendOnlyFile(tmp_path / "h") as handover:
        passwords = Passwords(Way.ONE_TIME, handover)
        assert passwords.before_sign_up(ANA) is None
        passwords.after_sign_up(ANA, UUID(int=1), "vso_first")
        passwords.after_sign_up(ANA, UUID(int=1), "vso_second")
    with AppendOnlyFile(tmp_path / "h") as handover:
        assert Passwords(Way.ONE_TIME, handover).known(ANA) == "vso_second"


def test_generated_passwords_pass_the_vaults_own_rules() -> None:
    policy = load_policies(Path("policies")).passwords
    made = {generate_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        judge_password(password, policy, login=ANA.login)


def test_a_full_disk_is_said_and_leaves_whole_lines_only(tmp_path: Path) -> None:
    """Others of the import's threads go on: the next line must not be glued to half of this one."""
    path = tmp_path / "s"
    with AppendOnlyFile(path) as file:
        file.append({"line": 1})
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, hard))
        try:
            with pytest.raises(NoRoomError, match="took only a part") as refused:
                file.append({"line": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        file.append({"line": 3})

    assert "run the same command again" in refused.value.remedy
    with AppendOnlyFile(path) as file:
        assert file.entries == [{"line": 1}, {"line": 3}]

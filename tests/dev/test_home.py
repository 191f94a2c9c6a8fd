"""Each folder of a vault belongs to one user, and no socket's path is too long."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vault_service.dev.home import Home, hand_over, prepare_home
from vault_service.dev.process import current_user, find_user
from vault_service.dev.users import Users, check_reach
from vault_service.domain.errors import ConfigurationError

Prepare = Callable[[Path, Users], Home]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def all_us() -> Users:
    us = current_user()
    return Users(us, us, us, us, us, us, us)


@pytest.fixture
def prepare(scratch: Path) -> Iterator[Prepare]:
    """prepare_home, whose short folders in /tmp go after the test."""
    made: set[Path] = set()

    def prepared(path: Path, users: Users) -> Home:
        home = prepare_home(path, users)
        made.add(home.run)
        return home

    yield prepared
    for run in made:
        if not run.is_relative_to(scratch):
            shutil.rmtree(run, ignore_errors=True)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_on_the_way_can_be_passed_but_not_listed_and_all_others_are_closed(scratch: Path) -> None:
    home = prepare_home(scratch / "modes", all_us())

    for passage in (home.path, home.path / "secrets", home.path / "state", home.tokens):
        assert mode_of(passage) == 0o711
    for private in (
        home.log, home.officers, home.operator_secrets, home.ceremony, home.postgres, home.token_secrets,
        home.cosigner_secrets,
        home.state("kms"), home.state("api"), home.state("worker_keys"), home.state("worker_records"),
    ):  # fmt: skip
        assert mode_of(private) == 0o700


@needs_root
def test_only_the_owner_of_a_sockets_folder_can_put_a_socket_there(scratch: Path) -> None:
    """Whoever can put a socket in the place of the key service's gets the passwords."""
    us, nobody = current_user(), find_user("nobody")
    home = prepare_home(scratch / "sockets", Users(us, nobody, us, us, us, us, us))

    assert home.kms_sockets.stat().st_uid == nobody.uid
    for folder in (home.run, home.kms_sockets, home.postgres_sockets):
        assert mode_of(folder) & 0o022 == 0


def test_a_deep_home_gets_its_sockets_in_a_short_folder_that_its_run_leads_to(
    scratch: Path, prepare: Prepare
) -> None:
    deep = scratch.joinpath(*["a-folder-with-a-long-name"] * 5)

    home = prepare(deep, all_us())

    assert len(os.fsencode(home.run / "kms" / "kms-worker-records.sock")) < 100
    assert (deep / "run").readlink() == home.run
    assert mode_of(home.run) & 0o022 == 0
    assert prepare(deep, all_us()).run == home.run  # the same at the next start


def test_a_home_with_a_comma_gets_its_sockets_elsewhere(scratch: Path, prepare: Prepare) -> None:
    """PostgreSQL's library would take the path for two hosts."""
    home = prepare(scratch / "one,two", all_us())

    assert "," not in str(home.run)


def test_a_run_folder_that_vanished_with_a_reboot_is_made_anew(scratch: Path, prepare: Prepare) -> None:
    deep = scratch.joinpath(*["another-folder-with-a-long-name"] * 4)
    first = prepare(deep, all_us())
    for folder in (first.kms_sockets, first.postgres_sockets, first.witness_sockets, first.run):
        folder.rmdir()

    second = prepare(deep, all_us())

    assert second.run != first.run
    assert second.kms_sockets.is_dir()


def test_a_run_folder_that_others_may_write_to_is_refused(scratch: Path, prepare: Prepare) -> None:
    """In /tmp anybody may have made it."""
    deep = scratch.joinpath(*["a-third-folder-with-a-long-name"] * 4)
    home = prepare(deep, all_us())
    home.run.chmod(0o777)

    with pytest.raises(ConfigurationError, match="not ours alone"):
        prepare(deep, all_us())


@needs_root
def test_handing_over_follows_no_symbolic_link(scratch: Path) -> None:
    nobody = find_user("nobody")
    ours = scratch / "ours"
    ours.write_text("stays ours")
    ours.chmod(0o644)
    given = scratch / "given"
    (given / "inner").mkdir(parents=True)
    (given / "inner" / "file").touch(0o644)
    (given / "link").symlink_to(ours)

    hand_over(given, nobody)

    assert (ours.stat().st_uid, mode_of(ours)) == (0, 0o644)
    assert {p.stat().st_uid for p in (given, given / "inner", given / "inner" / "file")} == {nobody.uid}
    assert (mode_of(given / "inner"), mode_of(given / "inner" / "file")) == (0o700, 0o600)


@needs_root
class TestReach:
    """A clone in /root cannot be used by service users; that is said at once, with what to do."""

    @pytest.fixture
    def checkout(self, scratch: Path) -> Path:
        clone = Path(tempfile.mkdtemp(dir=scratch)) / "clone"
        clone.parent.chmod(0o755)
        for folder in ("vault_service", "policies", ".venv"):
            (clone / folder).mkdir(parents=True)
        (clone / "vault_service" / "module.py").touch()
        return clone

    def check(self, checkout: Path) -> None:
        check_reach([find_user("nobody")], checkout, ("vault_service", "vault_service/module.py", "policies"))

    def refusal(self, checkout: Path) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as refused:
            self.check(checkout)
        return refused.value

    def follow(self, remedy: str) -> None:
        subprocess.run(["sh", "-ec", remedy.removeprefix("Run: ").partition(" (or")[0]], check=True)

    def test_what_is_open_to_all_is_fine(self, checkout: Path) -> None:
        self.check(checkout)

    def test_a_closed_folder_on_the_way_is_named_and_the_remedy_helps(self, checkout: Path) -> None:
        home = checkout.parent
        home.chmod(0o700)

        refused = self.refusal(checkout)

        assert refused.detail == f"the user nobody, as whom a service runs, cannot reach {home}"
        assert f"chmod o+x {home} " in refused.remedy
        self.follow(refused.remedy)
        self.check(checkout)

    @pytest.mark.parametrize("mode", [0o700, 0o711, 0o744])
    def test_a_folder_of_code_must_be_listed_and_entered_and_the_remedy_helps(
        self, checkout: Path, mode: int
    ) -> None:
        (checkout / "vault_service").chmod(mode)

        self.follow(self.refusal(checkout).remedy)

        self.check(checkout)

    def test_a_clone_that_was_made_under_umask_077_is_opened_without_its_secrets(
        self, checkout: Path
    ) -> None:
        secret = checkout / ".vault" / "secret"
        secret.parent.mkdir()
        secret.touch()
        for entry in (*checkout.rglob("*"), checkout):
            entry.chmod(0o700 if entry.is_dir() else 0o600)

        self.follow(self.refusal(checkout).remedy)

        self.check(checkout)
        assert (mode_of(secret.parent), mode_of(secret)) == (0o700, 0o600)

    def test_a_file_of_code_that_cannot_be_read_is_named(self, checkout: Path) -> None:
        (checkout / "vault_service" / "module.py").chmod(0o600)

        assert "module.py" in self.refusal(checkout).detail

"""Policies: the shipped ones are good, and no file can go below the floors in code."""

import shutil
from pathlib import Path

import pytest

from vault_service.domain.errors import ConfigurationError
from vault_service.domain.floors import KDF_FLOOR
from vault_service.policy.load import load_policies

SHIPPED = Path(__file__).parents[2] / "policies"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies, to be changed."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    """Replace the one place where `old` stands."""
    text = (folder / file).read_text("utf-8")
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new), "utf-8")


def test_the_shipped_policies_are_good_and_above_the_floors() -> None:
    policies = load_policies(SHIPPED)

    assert policies.passwords.min_code_points >= 15
    assert policies.passwords.argon2id.params().memory_kib >= KDF_FLOOR.memory_kib
    assert policies.limits.guesses.lock_after <= 100
    assert set(policies.collections["contact"].fields) == {"full_name", "phone", "email", "address"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("passwords.toml", "min_code_points = 15", "min_code_points = 14"),
        ("passwords.toml", "max_code_points = 1024", "max_code_points = 1025"),
        ("passwords.toml", "min_guesses_log10 = 10", "min_guesses_log10 = 7"),
        ("passwords.toml", "memory_kib = 65536", "memory_kib = 19455"),
        ("passwords.toml", "memory_kib = 65536", "memory_kib = 2097153"),
        ("passwords.toml", "iterations = 3", "iterations = 1"),
        ("passwords.toml", "lanes = 1", "lanes = 4"),
        ("limits.toml", "free = 4", "free = 5"),
        ("limits.toml", "lock_after = 100", "lock_after = 101"),
        ("limits.toml", "first_wait_s = 1.0", "first_wait_s = 0.0"),
        ("limits.toml", "max_wait_s = 900.0", "max_wait_s = 59.0"),
        ("limits.toml", "max_wait_s = 900.0", "max_wait_s = 86401.0"),
        ("sessions.toml", "idle_timeout_s = 1800", "idle_timeout_s = 86401"),
        ("sessions.toml", "absolute_timeout_s = 43200", "absolute_timeout_s = 2592001"),
        ("sessions.toml", "max_per_user = 50", "max_per_user = 0"),
    ],
)
def test_no_file_lowers_a_floor_or_lifts_a_ceiling(folder: Path, file: str, old: str, new: str) -> None:
    edit(folder, file, old, new)

    with pytest.raises(ConfigurationError) as refused:
        load_policies(folder)

    assert file in refused.value.detail
    assert old.split()[0] in refused.value.detail


@pytest.mark.parametrize(
    ("file", "above"),
    [
        ("passwords.toml", "min_code_points"),
        ("passwords.toml", "memory_kib"),
        ("passwords.toml", "memory_budget_kib"),
        ("limits.toml", "lock_after"),
        ("limits.toml", "app_burst"),
        ("sessions.toml", "max_per_user"),
        ("collections.toml", 'searchable = ["full_name'),
    ],
)
def test_a_misspelt_rule_is_refused_rather_than_ignored(folder: Path, file: str, above: str) -> None:
    edit(folder, file, above, "misspelt = 1\n" + above)

    with pytest.raises(ConfigurationError) as refused:
        load_policies(folder)

    assert "misspelt" in refused.value.detail


@pytest.mark.parametrize("file", ["passwords.toml", "limits.toml", "sessions.toml", "collections.toml"])
def test_a_missing_file_is_named_with_its_remedy(folder: Path, file: str) -> None:
    (folder / file).unlink()

    with pytest.raises(ConfigurationError, match=f"{file} is missing") as refused:
        load_policies(folder)

    assert "Restore" in refused.value.remedy


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sessions.toml", b"idle_timeout_s = "),
        ("sessions.toml", b"\xff\xfe"),
        (
            "sessions.toml",
            b"idle_timeout_s = 1800\nabsolute_timeout_s = 43200\nmax_per_user = 50\nextra = 1\n",
        ),
        ("sessions.toml", b"idle_timeout_s = '1800'\nabsolute_timeout_s = 43200\nmax_per_user = 50\n"),
        ("sessions.toml", b"idle_timeout_s = 1800\nmax_per_user = 50\n"),
        ("collections.toml", b"[free]\nsearchable = []\n[x]\nsearchable = []\nfields = { a = 'colour' }\n"),
    ],
    ids=["bad TOML", "not UTF-8", "unknown key", "wrong type", "missing key", "unknown kind of field"],
)
def test_a_file_that_cannot_be_understood_is_refused(folder: Path, file: str, content: bytes) -> None:
    """A misspelled key must not silently leave a default in force."""
    (folder / file).write_bytes(content)

    with pytest.raises(ConfigurationError, match=file):
        load_policies(folder)


def test_the_free_collections_rule_must_be_there(folder: Path) -> None:
    edit(folder, "collections.toml", "[free]", "[notes]")

    with pytest.raises(ConfigurationError, match=r"no \[free\]"):
        load_policies(folder)


def test_a_collection_cannot_search_a_field_that_it_does_not_have(folder: Path) -> None:
    edit(folder, "collections.toml", '"full_name", "phone", "email"]', '"full_name", "nickname"]')

    with pytest.raises(ConfigurationError, match="nickname"):
        load_policies(folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("passwords.toml", "memory_budget_kib = 524288", "memory_budget_kib = 65535"),
        ("passwords.toml", "memory_kib = 65536", "memory_kib = 1048576"),
    ],
)
def test_a_cost_that_the_memory_for_all_derivations_cannot_hold_is_refused_at_once(
    folder: Path, file: str, old: str, new: str
) -> None:
    """Otherwise the service would start, and answer every sign-up and sign-in with 503."""
    edit(folder, file, old, new)

    with pytest.raises(ConfigurationError, match="memory_budget_kib"):
        load_policies(folder)

"""vault.toml is what the processes' settings expect, and holds no secret."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_service.dev.configure import Cosigning, Ports, Toml, cosigner_key, to_toml, write_settings
from vault_service.dev.cosigner import cosigner_vkey
from vault_service.dev.home import Home, prepare_home
from vault_service.dev.process import current_user
from vault_service.dev.users import Users
from vault_service.policy.load import load_policies
from vault_service.policy.recovery_rules import WaitingRule
from vault_service.settings import Settings, load_settings
from vault_service.witness.key import CosigningKey

_FINGERPRINT = "ab" * 32
_COSIGNING = Cosigning(CosigningKey.generate("tests/witness").verifier().format(), ("a log", "another"))
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
_SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"))


@pytest.fixture
def home(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    us = current_user()
    users = Users(us, us, us, us, us, us, us)
    made = prepare_home(scratch / "configured", users)
    ports, module = Ports(8570, 8571, 8572, 8573), Path("/usr/lib/m.so")
    write_settings(made, users, ports, module=module, fingerprint=_FINGERPRINT, cosigning=_COSIGNING)
    monkeypatch.setenv("VAULT_HOME", str(made.path))
    return made


def load() -> Settings:
    return load_settings()


def test_it_is_read_as_it_was_meant(home: Home) -> None:
    settings = load()

    assert settings.manifest_fingerprint == _FINGERPRINT
    assert settings.api is not None
    assert (settings.api.host, settings.api.port, settings.api.metrics_port) == ("127.0.0.1", 8570, 8572)
    assert settings.kms is not None
    assert [listener.caller for listener in settings.kms.listeners] == [
        "api", "worker_keys", "worker_records", "operator", "console", "ceremony",
    ]  # fmt: skip


def test_every_caller_reaches_the_socket_that_is_for_it(home: Home) -> None:
    settings = load()
    assert settings.kms is not None
    sockets = {listener.caller: f"unix:{listener.unix}" for listener in settings.kms.listeners}

    assert settings.api is not None
    assert settings.api.kms.url == sockets["api"]
    assert settings.worker_keys is not None
    assert settings.worker_keys.kms.url == sockets["worker_keys"]
    assert settings.worker_records is not None
    assert settings.worker_records.kms.url == sockets["worker_records"]
    assert settings.operator is not None
    assert settings.operator.url == sockets["operator"]


def test_no_two_processes_share_a_database_role(home: Home) -> None:
    settings = load()
    sections = (settings.kms, settings.api, settings.worker_keys, settings.worker_records)
    databases = [section.database for section in sections if section is not None]
    assert settings.audit is not None
    databases += [database for database in (settings.audit.keys, settings.audit.records) if database]

    assert len({database.password_file for database in databases}) == 6
    assert len({database.dsn for database in databases}) == 6


def test_both_workers_ask_for_cosignatures_where_the_records_sides_witness_listens(home: Home) -> None:
    settings = load()
    (witness,) = settings.witnesses
    assert settings.worker_records is not None
    cosigner = settings.worker_records.cosigner
    assert cosigner is not None

    assert (witness.vkey, cosigner.logs) == (_COSIGNING.vkey, _COSIGNING.logs)
    assert [f"unix:{listener.unix}" for listener in cosigner.listeners] == [witness.url]


def test_the_cosigning_key_is_made_once_and_closed_to_others(home: Home) -> None:
    first = cosigner_vkey(home, current_user(), _FINGERPRINT)

    assert cosigner_vkey(home, current_user(), _FINGERPRINT) == first
    assert cosigner_key(home).stat().st_mode & 0o777 == 0o600
    assert cosigner_key(home).parent.stat().st_mode & 0o777 == 0o700


def test_a_cosigning_key_that_a_crash_left_unfinished_is_made_anew(home: Home) -> None:
    cosigner_key(home).unlink(missing_ok=True)
    cosigner_key(home).with_suffix(".new").write_text("half a k")

    assert cosigner_vkey(home, current_user(), _FINGERPRINT).startswith("vault_service/abab")


def test_every_user_may_read_it_since_it_holds_paths_of_secrets_only(home: Home) -> None:
    assert home.settings.stat().st_mode & 0o777 == 0o644
    assert "password=" not in home.settings.read_text()


def test_the_environment_of_make_run_is_not_taken_for_a_setting(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_API_PORT", "9999")
    monkeypatch.setenv("VAULT_API__THREADS", "7")

    api = load().api

    assert api is not None
    assert (api.port, api.threads) == (8570, 7)


_TABLES = st.dictionaries(_NAMES, _SCALARS)


@pytest.mark.slow
@given(
    plain=_TABLES,
    tables=st.dictionaries(_NAMES, st.dictionaries(_NAMES, _SCALARS | st.lists(_TABLES) | _TABLES)),
)
def test_whatever_is_written_is_read_back(plain: dict[str, Toml], tables: dict[str, dict[str, Toml]]) -> None:
    plain = {name: value for name, value in plain.items() if name not in tables}

    assert tomllib.loads(to_toml(plain, tables)) == plain | tables


def test_the_demo_waits_two_seconds_for_a_regain_and_for_nothing_else(home: Home) -> None:
    settings = load()
    demo = load_policies(settings.policies_dir, recovery=settings.recovery_policy).recovery
    projects = load_policies(settings.policies_dir).recovery

    assert demo.waiting_s == WaitingRule(
        regain=2, disclosure=0, erasure=0, drill=0, key_ceremony=0, officer_change=0, escrow_rotation=0
    )
    assert msgspec.structs.replace(demo, waiting_s=projects.waiting_s) == projects

"""An officer's own key: made before there is a vault, named in the plan, pinned afterwards, and at work."""

import hashlib
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ceremony.test_plan_file import document
from tests.ceremony.typing_in import answer_in_a_terminal
from tests.cli.commands import Ran, vaultctl
from tests.rig.genesis import Origin, born_by
from tests.rig.officers import manifest_of
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import PASSPHRASE, Vault, settings_of
from vault_service.ceremony.genesis_plan import GenesisPlan
from vault_service.ceremony.officer_key import UNPINNED, load_officer_key
from vault_service.cli import init_ceremony

pytestmark = pytest.mark.slow


@dataclass
class Planned(Vault):
    """A vault whose genesis goes by a plan's file."""

    def officer(self, *arguments: str | Path) -> Ran:
        passphrase = self.home / "passphrase"
        passphrase.touch(0o600)
        passphrase.write_text(PASSPHRASE)
        return vaultctl(self, "officer", *arguments, "--passphrase-file", passphrase, "--json")

    def _genesis(self) -> Origin:
        return Origin(born_by(self.home, self.keys, self._plan), ())

    def _plan(self) -> GenesisPlan:
        made = self.officer("keygen", "ana", "--before-genesis", "--out", self.home / "ana.key")
        assert made.code == 0, made.err
        card = self.home / "ana.key.public.json"
        assert made.json["public_file_sha256"] == hashlib.sha256(card.read_bytes()).hexdigest()
        plan: dict[str, Any] = document(self.home)
        plan["officers"][0] |= {
            "public_key_file": card.name, "sha256": made.json["public_file_sha256"],
            "roles": ["requester", "approver", "discloser"],
        }  # fmt: skip
        plan["tokens"]["online"] |= {"state_dir": "state/online"}
        plan["tokens"]["escrow"] |= {"state_dir": "state/escrow"}
        return init_ceremony._resolve(
            yaml.safe_dump(plan).encode(), self.home, lambda _: PASSPHRASE, lambda words, about: None
        )

    @property
    def key(self) -> Path:
        return self.home / "ana.key"


@pytest.fixture(scope="module")
def vault(scratch: Path, postgres: TestServer) -> Iterator[Planned]:
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        vault = Planned(scratch / keys.name, keys, records)
        vault.home.mkdir(mode=0o700)
        try:
            vault.prepare()
            vault.start_forked_kms()
            yield vault
        finally:
            vault.stop_all()


def pinned(vault: Planned) -> str:
    return load_officer_key(vault.key, PASSPHRASE)[1]


def open_drill(vault: Planned, key: Path) -> Ran:
    return vaultctl(
        vault, "recovery", "open", "drill", "--key", key, "--reason", "the first drill",
        "--passphrase-file", vault.home / "passphrase", "--json",
    )  # fmt: skip


def test_until_it_is_pinned_the_key_acts_in_no_vault(vault: Planned) -> None:
    refused = open_drill(vault, vault.key)

    assert (refused.code, pinned(vault)) == (3, UNPINNED)
    assert "vaultctl officer pin" in json.loads(refused.err)["error"]["remedy"]


@pytest.mark.parametrize("typed", ["0123456789abcdef", "", "é" * 16])
def test_what_does_not_end_like_the_vault_s_fingerprint_pins_nothing(vault: Planned, typed: str) -> None:
    asked = answer_in_a_terminal(
        vault, ["officer", "pin", "--key", str(vault.key), "--passphrase-file", f"{vault.home}/passphrase"],
        [typed, vault.fingerprint[-8:]],
    )  # fmt: skip

    assert asked.code == 3
    assert "do not believe" in asked.shown
    assert pinned(vault) == UNPINNED
    assert vault.fingerprint[-16:] not in "".join(asked.shown.split())


def test_pinned_by_what_was_read_out_it_opens_and_approves_cases(vault: Planned) -> None:
    before = load_officer_key(vault.key, PASSPHRASE)[0]
    end = vault.fingerprint[-16:]

    asked = answer_in_a_terminal(
        vault, ["officer", "pin", "--key", str(vault.key)], [f"{end[:8]} {end[8:].upper()}", PASSPHRASE]
    )

    assert asked.code == 0, asked.shown
    key, fingerprint = load_officer_key(vault.key, PASSPHRASE)
    assert (fingerprint, stat.S_IMODE(vault.key.stat().st_mode)) == (vault.fingerprint, 0o600)
    assert (key.officer, key.share_seed) == (before.officer, before.share_seed)
    assert key.officer == manifest_of(vault).officers[0].officer_id
    assert open_drill(vault, vault.key).code == 0
    case = open_drill(vault, vault.home / "officers" / "bob.key").json["case"]["case_id"]
    approved = vaultctl(
        vault, "recovery", "approve", case, "--key", vault.key,
        "--passphrase-file", vault.home / "passphrase", "--json",
    )  # fmt: skip
    assert approved.json["approved_by"] == ["ana"]


def test_what_pins_a_vault_pins_it_for_good(vault: Planned) -> None:
    before = vault.key.read_bytes()

    again = vault.officer("pin", "--key", vault.key, "--fingerprint", vault.fingerprint)
    other = vault.officer("pin", "--key", vault.key, "--fingerprint", "ab" * 32)

    assert (again.code, again.json["added"], other.code) == (0, False, 3)
    assert "pins another vault" in other.err
    assert vault.key.read_bytes() == before
    assert settings_of(vault).manifest_fingerprint == vault.fingerprint

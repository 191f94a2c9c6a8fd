"""P3, P5: what a ceremony knew is gone with it, and never was where it does not belong.

A whole regain is carried out with services, officers and a ceremony as processes of their own; wires to
the keys database are listened in on, and arguments, environments and files are looked at meanwhile.
"""

import base64
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ceremony.office import NEW_PASSWORD, Office, office_of
from tests.cli.people import dump
from tests.promises.files import contents
from tests.promises.memory import copies, family
from tests.promises.tap import Tap, tapped
from tests.rig.officers import escrow_pin, manifest_of, words_of
from tests.rig.people import Person
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.service import PATIENCE_S
from tests.rig.vault import OFFICERS, PASSPHRASE, running_vault
from vault_service.ceremony.escrow_token import EscrowPinRefusedError, open_escrow_token
from vault_service.ceremony.officer_key import load_officer_key
from vault_service.client import VaultClient

pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the attacker is root on the host")

NAME = "Quetzal Canary Silva"


@dataclass
class Carried:
    """A regain that was carried out, and what was heard and seen of it."""

    office: Office
    tap: Tap
    person: Person
    words: dict[str, str]  # of the shares before and after
    pins: dict[str, str]
    dek: bytes
    seen: set[bytes] = field(default_factory=set)  # arguments and environments of the processes

    def secrets(self) -> dict[str, bytes]:
        """Each of these, or a part of it, would open something, or is the data."""
        found = {f"words of {name}": each.encode() for name, each in self.words.items()}
        for name, pin in self.pins.items():
            found[f"PIN {name}"] = pin.encode()
            found[f"secret {name}"] = base64.b32decode(pin + "======")
        return found | {
            "old password": self.person.password.encode(),
            "new password": NEW_PASSWORD.encode(),
            "DEK": self.dek,
            "record": NAME.encode(),
            "passphrase": PASSPHRASE.encode(),
        }

    def spellings(self) -> dict[str, bytes]:
        return {
            f"{name} {how}": form
            for name, secret in self.secrets().items()
            for how, form in (
                ("plain", secret),
                ("hex", secret.hex().encode()),
                ("base64", base64.b64encode(secret).rstrip(b"=")),
            )
        }

    def found_in(self, held: bytes) -> list[str]:
        return [name for name, form in self.spellings().items() if form in held]


def words_now(office: Office, gen: int) -> dict[str, str]:
    return {f"{name} {gen}": words_of(office.vault, name, gen) for name in OFFICERS}


@pytest.fixture(scope="module")
def carried(scratch: Path, postgres: TestServer) -> Iterator[Carried]:
    tap = Tap(scratch / "tap-ceremony", postgres.cluster.sockets)
    with (
        tap.listening(),
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / "carried", tapped(keys, tap), records) as vault,
        office_of(vault) as office,
    ):
        vault.start_api()
        person = office.somebody()
        with VaultClient(vault.api_url, app_key=vault.app_key) as client:
            client.sign_in(person.login, person.password).records.create("contact", {"full_name": NAME})
        words, pins = words_now(office, 1), {"1": escrow_pin(vault, OFFICERS[:2], 1)}
        case = office.begin(person)
        process = office.start("--forever")
        office.await_gathering(case)
        pids = {
            *family(process.popen.pid),
            *(pid for each in vault.running.values() for pid in family(each.popen.pid)),
        }
        seen = {Path(f"/proc/{pid}/{what}").read_bytes() for pid in pids for what in ("cmdline", "environ")}
        office.approve(case, "ana", "bob")
        assert process.popen.wait(PATIENCE_S) == 0, process.log.read_text()
        del vault.running["ceremony"]
        # The next one idles, as it does in production.
        idle = office.start("--forever", name="idle")
        vault.wait_for(lambda: b"ceremony.waiting" in idle.log.read_bytes(), idle)
        words |= words_now(office, 2)
        pins["2"] = escrow_pin(vault, OFFICERS[:2], 2)
        yield Carried(office, tap, person, words, pins, person.unlock(NEW_PASSWORD).dek, seen)


def test_the_user_reads_the_old_records_with_the_new_password(carried: Carried) -> None:
    """The control: it was a real one."""
    vault, person = carried.office.vault, carried.person
    with VaultClient(vault.api_url, app_key=vault.app_key) as client:
        session = client.sign_in(person.login, NEW_PASSWORD)
        (record,) = session.records.find(collection="contact")
    assert record.fields["full_name"] == NAME
    assert not person.opens_with(person.password)


@needs_root
def test_no_running_process_holds_the_pin_or_a_word_of_a_share(carried: Carried) -> None:
    needles = {
        name: form
        for name, form in carried.secrets().items()
        if name.split()[0] in ("words", "PIN", "secret")
    }
    running = carried.office.vault.running
    assert set(running) >= {"kms", "api", "idle"}
    for name, process in running.items():
        found = copies(family(process.popen.pid), needles)
        assert not any(found.values()), (name, {what: n for what, n in found.items() if n})
    # The same look finds them where they are: in this process, which plays the officers.
    assert all(copies([os.getpid()], needles).values())


@needs_root
def test_no_running_process_has_the_escrow_token_open(carried: Carried) -> None:
    token = str(carried.office.vault.home / "tokens" / "escrow")
    online = str(carried.office.vault.home / "tokens" / "online")
    opened: dict[str, set[str]] = {}
    for name, process in carried.office.vault.running.items():
        for pid in family(process.popen.pid):
            opened.setdefault(name, set()).update(
                os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()
            )
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert token not in maps
            if name in ("api", "idle"):
                assert "libsofthsm2" not in maps, "nor is the module loaded before it is needed"
    assert not [path for paths in opened.values() for path in paths if path.startswith(token)]
    assert online.replace("online", "escrow") == token


def test_the_pin_that_the_ceremony_had_opens_nothing_any_more(carried: Carried) -> None:
    vault = carried.office.vault
    with pytest.raises(EscrowPinRefusedError), open_escrow_token(vault.place("escrow"), carried.pins["1"]):
        pytest.fail("it opened")
    with open_escrow_token(vault.place("escrow"), carried.pins["2"]) as token:
        assert token.public_key("escrow/1").hex() == manifest_of(vault).escrow_key.public_key


def test_nothing_secret_crossed_the_wires_to_the_keys_database(carried: Carried) -> None:
    """Officers', the ceremony's and the key service's."""
    sent = carried.tap.sent()
    assert carried.found_in(sent) == []
    officer, _ = load_officer_key(carried.office.vault.home / "officers" / "ana.key", PASSPHRASE)
    assert officer.officer.bytes in sent
    assert b"releases" in sent


def test_nothing_secret_is_in_a_database_a_log_a_file_an_argument_or_an_environment(carried: Carried) -> None:
    vault = carried.office.vault
    since = vault.settings_file.stat().st_mtime
    elsewhere = contents(Path(tempfile.gettempdir()).glob("*"), since=since, largest=1 << 20)
    held = {str(path): found for path, found in (*contents(vault.home.rglob("*")), *elsewhere)}
    held |= {"keys": dump(vault.keys), "records": dump(vault.records)}
    logs = [name for name in held if name.endswith(".log")]
    assert {Path(name).name for name in logs} >= {"kms.log", "api.log", "ceremony.log", "idle.log"}
    for where, content in held.items():
        assert carried.found_in(content) == [], where
    for content in carried.seen:
        assert carried.found_in(content) == []
    assert any(b"ceremony" in content for content in carried.seen)

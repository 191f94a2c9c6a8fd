"""A genesis by a reviewed plan: what is not understood is refused, and a dry run changes nothing."""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from tests.ceremony.test_sheets import Keepers
from tests.rig.postgres import TestDatabase
from tests.rig.vault import MODULE, REPOSITORY
from vault_service.ceremony.genesis import GenesisRefusedError
from vault_service.ceremony.officer_key import UNPINNED, OfficerKey, load_officer_key
from vault_service.ceremony.plan_file import PlanFileError, parse_plan, plan_hash
from vault_service.cli import init_ceremony
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import manifest_hash, parse_manifest
from vault_service.domain.manifest_difference import key_fingerprint
from vault_service.kms.token.admin import read_facts
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.recovery.officer_card import make_card, read_card
from vault_service.settings import Settings
from vault_service.storage.keys.manifests import load_chain

PASSPHRASE = "nine quiet herons by the weir"


def document(folder: Path) -> dict[str, Any]:
    """A plan in which ana brings her key, and the others' are made."""
    ana = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "ana")
    card = make_card(ana, fingerprint=UNPINNED).encode()
    (folder / "ana.json").write_bytes(card)

    def token(name: str) -> dict[str, str]:
        place = folder / "tokens" / name
        return {
            "module": str(MODULE), "label": f"vault-{name}", "softhsm2_conf": str(place / "softhsm2.conf"),
            "state_dir": f"state/{name}", "transport_so_pin_file": str(place / "transport-so-pin"),
        }  # fmt: skip

    roles = ["requester", "approver", "discloser"]
    return {
        "v": 1,
        "tokens": {"online": token("online") | {"pin_file": "online.pin"}, "escrow": token("escrow")},
        "quorum": {"base": 2, "disclosure": 2},
        "break_glass": {"sheets": 4, "threshold": 3},
        "ceremony_folder": "ceremony",
        "key_files_folder": "officers",
        "officers": [
            {"name": "ana", "roles": [*roles], "public_key_file": "ana.json",
             "sha256": hashlib.sha256(card).hexdigest()},
            {"name": "bob", "roles": [*roles], "make_key_file": True,
             "user_ids": ["01a20bd4-b9cf-720c-91f9-0159d46a5734"]},
            {"name": "cleo", "roles": [*roles], "make_key_file": True},
        ],
    }  # fmt: skip


@dataclass
class People(Keepers):
    """Officers and keepers before the terminal of a genesis."""

    confirms: str = ""
    said: list[str] = field(default_factory=list)

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        if prompt.startswith("Type the first"):
            return self.confirms
        if "passphrase" in prompt or prompt.startswith("The same again"):
            assert hidden
            return PASSPHRASE
        return super().ask(prompt, hidden=hidden)

    def show(self, text: str) -> None:
        self.said.append(text)
        super().show(text)


@dataclass
class Answering(People):
    """Before the questions of `init --ceremony`: each has its answers, and Enter after the last."""

    answers: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        for question, answers in self.answers.items():
            if question in prompt and answers:
                return answers.pop(0)
        return super().ask(prompt, hidden=hidden)


@dataclass
class Site:
    """A host with two tokens as delivered, and a plan."""

    folder: Path
    keys: TestDatabase
    plan: dict[str, Any]

    @property
    def file(self) -> Path:
        path = self.folder / "genesis.yaml"
        path.write_text(yaml.safe_dump(self.plan))
        return path

    @property
    def settings(self) -> Settings:
        password = self.keys.password_file("vault_kms")
        database = {"dsn": self.keys.dsn("vault_kms"), "password_file": str(password)}
        online = self.plan["tokens"]["online"]
        token = {
            "module": online["module"], "label": online["label"], "softhsm2_conf": online["softhsm2_conf"],
            "state_dir": str(self.folder / online["state_dir"]), "pin_file": str(self.folder / "online.pin"),
        }  # fmt: skip
        return Settings.model_validate(
            {
                "policies_dir": str(REPOSITORY / "policies"),
                "kms": {"database": database, "token": token, "listeners": [], "state_dir": str(self.folder)},
            }
        )

    def place(self, name: str) -> TokenPlace:
        conf = self.folder / "tokens" / name / "softhsm2.conf"
        return TokenPlace(MODULE, f"vault-{name}", conf, self.folder / "state" / name)

    def everything(self) -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and "state" not in path.parts and path.suffix != ".lock"
        }

    def carry_out(self, people: People) -> None:
        init_ceremony._carry_out(self.settings, self.file.read_bytes(), self.folder, people, as_json=True)


@pytest.fixture
def site(tmp_path: Path, keys_db: TestDatabase) -> Iterator[Site]:
    script = REPOSITORY / "scripts" / "softhsm_setup.sh"
    subprocess.run([str(script), str(tmp_path / "tokens")], check=True, capture_output=True, timeout=30)
    for name in ("online", "escrow"):
        (tmp_path / "state" / name).mkdir(parents=True)
    with patch.dict("os.environ", {"VAULT_HOME": str(tmp_path)}):
        yield Site(tmp_path, keys_db, document(tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda plan: plan.update(extra=1), "extra"),
        (lambda plan: plan["officers"][0].update(rolls=[]), "rolls"),
        (lambda plan: plan["officers"][1].update(roles=["king"]), "king"),
        (lambda plan: plan["officers"][1].update(roles=[]), "roles"),
        (lambda plan: plan["officers"][1].update(user_ids=["bob"]), "user_ids"),
        (lambda plan: plan["quorum"].update(base=1), "base"),
        (lambda plan: plan["quorum"].update(base="2"), "base"),
        (lambda plan: plan["break_glass"].update(threshold=1), "threshold"),
        (lambda plan: plan.update(floors={"argon2_memory_kib": 1024}), "argon2_memory_kib"),
        (lambda plan: plan.update(floors={"argon_memory": 65536}), "argon_memory"),
        (lambda plan: plan.pop("quorum"), "quorum"),
        (lambda plan: plan.update(v=2), "v"),
    ],
)  # fmt: skip
def test_what_the_schema_does_not_know_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    plan = document(tmp_path)
    parse_plan(yaml.safe_dump(plan).encode())
    change(plan)

    with pytest.raises(PlanFileError, match=says):
        parse_plan(yaml.safe_dump(plan).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"v: 1\nv: 1\n",
        b"a: &a [1]\nb: *a\n",
        b"!!python/object/apply:os.system ['true']",
        b"\xff",
        b"[" * 100_000,
        b"- 1",
        b"",
        b"v: 1 #" + b"x" * 1_000_000,
    ],
    ids=["a key twice", "an alias", "an object", "no text", "deep", "a list", "nothing", "long"],
)
def test_what_is_no_plain_plan_is_refused(content: bytes) -> None:
    with pytest.raises(PlanFileError):
        parse_plan(content)


@pytest.mark.parametrize(
    ("hidden", "says"),
    [(b"v: 1\n", "twice"), (b"x: &a [1]\ny: *a\n", "alias"), (b"#" + b"x" * 1_000_000, "longer")],
    ids=["a key twice", "an alias", "length"],
)
def test_a_plan_that_would_do_is_refused_for_what_a_reviewer_overlooks(
    tmp_path: Path, hidden: bytes, says: str
) -> None:
    content = yaml.safe_dump(document(tmp_path)).encode()
    parse_plan(content)

    with pytest.raises(PlanFileError, match=says):
        parse_plan(content + hidden)


def test_a_dry_run_says_exactly_what_would_happen_and_changes_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    content, before = site.file.read_bytes(), site.everything()

    init_ceremony.dry_run(site.settings, site.file, as_json=True)

    said = json.loads(capsys.readouterr().out)
    assert said["plan_sha256"] == plan_hash(content) == hashlib.sha256(content).hexdigest()
    steps = "\n".join(said["steps"])
    assert "4 break-glass sheets, of which 3" in steps
    card = read_card((site.folder / "ana.json").read_bytes(), fingerprint=UNPINNED)
    assert re.search(rf"name officer ana: .*own key {key_fingerprint(card.officer(()))}", steps)
    assert re.search(r"name officer bob: .*01a20bd4-b9cf-720c-91f9-0159d46a5734", steps)
    assert site.everything() == before
    assert not any(read_facts(site.place(name)).has_user_pin for name in ("online", "escrow"))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda site: site.plan["officers"][0].update(sha256="0" * 64), "sha256 was reviewed"),
        (lambda site: site.plan["officers"][0].pop("sha256"), "its sha256"),
        (lambda site: site.plan["officers"][1].update(make_key_file=False), "make_key_file"),
        (lambda site: site.plan["officers"][0].update(name="anna"), "is ana's"),
        (lambda site: (site.folder / "ana.json").unlink(), "ana.json"),
        (lambda site: (site.folder / "online.pin").touch(), "online.pin"),
        (lambda site: site.plan["quorum"].update(base=3), "could open a case"),
        (lambda site: (site.folder / "tokens/escrow/transport-so-pin").unlink(), "transport-so-pin"),
    ],
    ids=["another file", "no hash", "neither key", "another's", "no file", "left over", "quorum", "no PIN"],
)
def test_a_dry_run_finds_what_would_stop_it(site: Site, break_it: Any, says: str) -> None:
    break_it(site)

    with pytest.raises(ConfigurationError, match=says):
        init_ceremony.dry_run(site.settings, site.file, as_json=True)


def test_a_plan_that_was_not_the_reviewed_one_is_not_carried_out(site: Site) -> None:
    before = site.everything()

    with pytest.raises(init_ceremony.PlanNotConfirmedError):
        site.carry_out(People(confirms="00000000"))

    assert site.everything() == before | {str(site.file): site.file.read_bytes()}


def test_a_genesis_by_plan_leaves_officers_shares_and_paper_and_no_secret_in_any_file(site: Site) -> None:
    people = People(confirms=plan_hash(site.file.read_bytes())[:8])

    site.carry_out(people)

    db = site.keys.open("vault_kms", size=1)
    try:
        with db.connection() as conn:
            body = load_chain(conn)[-1].body
    finally:
        db.close()
    manifest = parse_manifest(body)
    assert [officer.name for officer in manifest.officers] == ["ana", "bob", "cleo"]
    assert manifest.break_glass.threshold == 3
    assert [str(user) for user in manifest.officers[1].user_ids] == ["01a20bd4-b9cf-720c-91f9-0159d46a5734"]
    assert load_officer_key(site.folder / "officers" / "bob.key", PASSPHRASE)[0].name == "bob"
    assert not (site.folder / "officers" / "ana.key").exists()
    assert sorted(people.papers) == [1, 2, 3, 4]
    assert people.screen == ""
    secrets = [" ".join(words).encode() for words in people.papers.values()]
    so_pin = re.search(r"\n\n  ([A-Z2-7]{32})\n", "\n".join(people.said))
    assert so_pin
    for where, content in site.everything().items():
        assert not any(secret in content for secret in (*secrets, so_pin[1].encode())), where
    with pytest.raises(GenesisRefusedError, match=manifest_hash(body).hex()):  # where the terminal was lost
        site.carry_out(people)


def asked(site: Site, confirms: str) -> Answering:
    """As the plan above says, with a slip at each question that takes some."""
    ana, bob, _ = site.plan["officers"]
    names = iter(["ana", "bob", "cleo", "-"])
    return Answering(
        answers={
            "Name of the next": [*names],
            "Roles of": ["king", "requester approver discloser", "requester approver discloser"],
            "Own user ids of bob": [*bob["user_ids"]],
            "Public key file of ana": ["-", str(site.folder / "ana.json")],
            "Its SHA-256": [ana["sha256"].upper()],
            "How many must agree": ["two", "1", "", "2"],
            "And for a disclosure": ["\u00b2", "2"],
            "Break-glass sheets": ["4"],
            "so many suffice": ["3"],
            "Type yes": [confirms],
        }
    )


def test_questions_that_are_answered_make_a_plan_and_slips_are_asked_again(site: Site) -> None:
    people = asked(site, "")

    plan = init_ceremony.ask_plan(site.settings, site.folder, people)

    said = "\n".join(people.said)
    assert re.search("ana once more: .*king", said)
    assert said.count("A whole number, 2 or more.") == 3
    assert [(each.name, each.make_key_file) for each in plan.officers] == [
        ("ana", False), ("bob", True), ("cleo", True),
    ]  # fmt: skip
    assert [str(user) for user in plan.officers[1].user_ids] == site.plan["officers"][1]["user_ids"]
    assert (plan.quorum.base, plan.quorum.disclosure) == (2, 2)
    assert (plan.break_glass.sheets, plan.break_glass.threshold) == (4, 3)
    assert plan.key_files_folder == str(site.folder / "officers")


@pytest.mark.parametrize("leaves", ["Name of the next", "How many must agree", "Type yes"])
def test_whoever_leaves_the_questions_changes_nothing(site: Site, leaves: str) -> None:
    class Leaving(Answering):
        def ask(self, prompt: str, *, hidden: bool = False) -> str:
            if leaves in prompt:
                raise EOFError
            return super().ask(prompt, hidden=hidden)

    before = site.everything()
    people = Leaving(answers=asked(site, "yes").answers)

    with pytest.raises(init_ceremony.PlanNotConfirmedError):
        init_ceremony.ask_and_carry_out(site.settings, site.folder, people, as_json=True)

    copies = {where for where in site.everything() if where.endswith(".token.object")}  # softhsm_files.py
    assert {where: site.everything()[where] for where in site.everything().keys() - copies} == before
    assert not any(read_facts(site.place(name)).has_user_pin for name in ("online", "escrow"))


def test_by_questions_a_vault_is_made_once_somebody_said_yes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is asked for the hash of a plan that nobody has reviewed."""
    with pytest.raises(init_ceremony.PlanNotConfirmedError):
        init_ceremony.ask_and_carry_out(site.settings, site.folder, asked(site, "no"), as_json=True)
    people = asked(site, "yes")

    init_ceremony.ask_and_carry_out(site.settings, site.folder, people, as_json=True)

    key_file = site.folder / "officers" / "bob.key"
    assert load_officer_key(key_file, PASSPHRASE)[1] in capsys.readouterr().out
    assert sorted(people.papers) == [1, 2, 3, 4]

"""vaultctl recovery as officers use it: what it prints, how it ends, and what it never says."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.ceremony.typing_in import answer_in_a_terminal
from tests.cli.commands import Ran, vaultctl
from tests.recovery.office import Ceremony, Office
from tests.rig.vault import PASSPHRASE
from vault_service.domain.ceremony_note import note_hash, release_info


@dataclass
class Desk:
    """An officer's terminal."""

    office: Office
    passphrase: Path

    def run(self, name: str, *arguments: str) -> Ran:
        who = ("--key", self.office.vault.home / "officers" / f"{name}.key")
        return vaultctl(self.office.vault, "recovery", *arguments, *who, "--passphrase-file", self.passphrase)

    def look(self, *arguments: str) -> Ran:
        return vaultctl(self.office.vault, "recovery", *arguments)


@pytest.fixture
def desk(office: Office, tmp_path: Path) -> Desk:
    passphrase = tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(PASSPHRASE)
    return Desk(office, passphrase)


def error(ran: Ran) -> Any:
    """All that is said is one JSON document: a script reads it whole."""
    return json.loads(ran.err)["error"]


def words(ceremony: Ceremony, office: Office, name: str) -> str:
    row, officer = office.releases(ceremony)[-1], office.acting(name).key.officer
    return ceremony.opens(row.sealed, release_info(note_hash(ceremony.body), officer, 1)).decode()


def test_a_case_from_opening_to_the_released_shares(desk: Desk) -> None:
    """Read by somebody who is no engineer; nothing secret is on the screen."""
    opened = desk.run("ana", "open", "drill", "--reason", "quarterly drill", "--json")
    case = opened.json["case"]["case_id"]
    ceremony = desk.office.ceremony([desk.office.shown(UUID(case))])

    first = desk.run("bob", "approve", case, "--hash", opened.json["hash"])
    second = desk.run("cleo", "approve", case, "--json")

    assert (opened.code, first.code, second.code) == (0, 0, 0)
    assert "(1 of 2)" in first.out
    assert "Your share is released" in first.out
    assert opened.json["canonical"] in first.err  # what is signed is shown
    assert second.json["approved_by"] == ["bob", "cleo"]
    assert second.json["released"][0]["ceremony_id"] == str(ceremony.id)
    released = words(ceremony, desk.office, "cleo")
    for said in (first.out, first.err, second.out, second.err):
        assert PASSPHRASE not in said
        assert not [word for word in released.split() if f" {word} " in said]
    desk.office.close(ceremony)


def test_show_prints_the_text_that_is_signed_and_neither_login_nor_phrase(desk: Desk) -> None:
    person = desk.office.person()
    begun = desk.office.regain(person)

    text, document = desk.look("show", str(begun.case_id)), desk.look("show", str(begun.case_id), "--json")

    assert document.json["canonical"].encode() == desk.office.shown(begun.case_id).body
    assert document.json["canonical"] in text.out
    assert document.json["hash"] in text.out
    for ran in (text, document):
        assert person.login not in ran.out + ran.err
        assert begun.verification_phrase not in ran.out + ran.err
        assert begun.verification_phrase.split()[0] not in (ran.out + ran.err).split()


def test_a_regain_is_approved_with_what_the_person_says(desk: Desk) -> None:
    person = desk.office.person()
    begun = desk.office.regain(person)
    case, phrase = str(begun.case_id), begun.verification_phrase

    wrong = desk.run("bob", "approve", case, "--login", "who@else.org", "--phrase", phrase, "--json")
    unasked = desk.run("bob", "approve", case, "--json")
    right = desk.run("bob", "approve", case, "--login", person.login, "--phrase", phrase, "--json")

    assert (wrong.code, error(wrong)["code"]) == (5, "recovery.not_identified")
    assert (unasked.code, error(unasked)["code"]) == (2, "request.missing_answer")
    assert (right.code, right.json["approved_by"]) == (0, ["bob"])


def test_refusals_have_a_code_a_remedy_and_an_exit_code(desk: Desk) -> None:
    shown = desk.office.open(by="ana")
    case = str(shown.case.case_id)

    for ran, code, name in (
        (desk.run("ana", "approve", case, "--json"), 5, "recovery.self_approval"),
        (desk.run("bob", "approve", case, "--hash", "ab" * 32, "--json"), 5, "recovery.case_differs"),
        (desk.look("show", "not-an-id", "--json"), 2, "request.invalid"),
        (desk.run("ana", "open", "erasure", "--reason", "why", "--json"), 2, "request.invalid"),
        (desk.look("show", "--json"), 2, "usage"),
        (desk.look("approve", case, "--json"), 2, "usage"),
        (desk.run("bob", "open", "coronation", "--json"), 2, "usage"),
        (desk.look("show", "01a20bd4-b9cf-720c-91f9-0159d46a5734", "--json"), 5, "recovery.no_such_case"),
    ):
        assert (ran.code, error(ran)["code"]) == (code, name)
        assert error(ran)["remedy"]
        assert ran.out == ""
    assert desk.office.approvals(shown.case.case_id) == 0


def test_a_veto_a_list_and_nothing_to_release(desk: Desk) -> None:
    case = str(desk.office.open(by="ana").case.case_id)

    vetoed = desk.run("cleo", "veto", case)
    listed = desk.look("list", "--json")

    assert (vetoed.code, "is vetoed" in vetoed.out) == (0, True)
    assert case not in {row["case_id"] for row in listed.json}
    assert desk.run("bob", "release").out == "No ceremony waits for shares.\n"


def test_find_user_prints_the_id_and_nothing_else(desk: Desk) -> None:
    person = desk.office.person()

    found = desk.run("ana", "find-user", person.login, "--purpose", "court order 17")
    nobody = desk.run("ana", "find-user", "nobody@example.org", "--purpose", "court order 17")

    assert (found.code, found.out, found.err) == (0, f"{person.user}\n", "")
    assert (nobody.code, nobody.out, nobody.err) == (1, "", "Nobody has this login.\n")


def test_a_wrong_passphrase_says_so_and_does_not_repeat_it(desk: Desk) -> None:
    desk.passphrase.write_text("a passphrase that is wrong")

    ran = desk.run("ana", "open", "drill", "--reason", "why", "--json")

    assert (ran.code, error(ran)["code"]) == (3, "officer.key_file")
    assert "a passphrase that is wrong" not in ran.err


def test_a_mistaken_key_file_is_called_what_it_is(desk: Desk, tmp_path: Path) -> None:
    ana = desk.office.vault.home / "officers" / "ana.key"
    files = {
        "there is no such file": tmp_path / "nowhere.key",
        "the part to hand in": tmp_path / "ana.key.public.json",
        "no officer's key file": tmp_path / "junk.key",
        "can be read by others": tmp_path / "open.key",
    }
    for says, file in files.items():
        if says != "there is no such file":
            file.touch(0o644 if says in ("the part to hand in", "can be read by others") else 0o600)
            file.write_bytes(ana.read_bytes() if says == "can be read by others" else b"\xff{}")
        ran = vaultctl(
            desk.office.vault, "recovery", "open", "drill", "--reason", "why", "--key", file,
            "--passphrase-file", desk.passphrase, "--json",
        )  # fmt: skip

        assert (ran.code, says in error(ran)["detail"]) == (3, True), ran.err


def test_who_does_not_say_yes_has_signed_nothing(desk: Desk) -> None:
    shown = desk.office.open(by="ana")
    key = str(desk.office.vault.home / "officers" / "bob.key")
    approve = ["recovery", "approve", str(shown.case.case_id), "--key", key]

    typed = answer_in_a_terminal(desk.office.vault, approve, [PASSPHRASE, "n"])

    assert typed.code == 5
    assert "did not say yes" in typed.shown
    assert PASSPHRASE not in typed.shown
    assert desk.office.approvals(shown.case.case_id) == 0

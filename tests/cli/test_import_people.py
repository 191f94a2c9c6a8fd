"""Bringing people in, for real: exact, resumable after kill -9, and nothing left readable."""

import csv
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import vaultctl
from tests.cli.people import COLUMNS, Somebody, dump, found_in, make_people, write_csv
from tests.rig.forked import forked_command
from tests.rig.vault import PASSWORD, Vault
from vault_service.client import LoginRefusedError, MustChangePasswordError, Record, VaultClient

pytestmark = pytest.mark.slow

# The acceptance run: VAULT_TEST_PEOPLE=1000 pytest tests/cli/test_import_people.py -k many_languages
PEOPLE = int(os.environ.get("VAULT_TEST_PEOPLE", "30"))
MAP = [
    f"--map={pair}"
    for pair in (
        "login=e-mail", "email=e-mail", "full_name=name", "phone=phone", "address=address", "region=region"
    )
]  # fmt: skip


@pytest.fixture
def client(served: Vault) -> Iterator[VaultClient]:
    with VaultClient(served.api_url, app_key=served.app_key) as client:
        yield client


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def records_of(client: VaultClient, login: str, password: str) -> list[Record]:
    with client.sign_in(login, password) as session:
        return list(session.records.find())


@pytest.mark.timeout(1200)
def test_people_of_many_languages_come_in_exactly_and_nothing_of_them_can_be_read_in_the_databases(
    served: Vault, client: VaultClient, key_file: Path, tmp_path: Path
) -> None:
    people = make_people(PEOPLE, of="many")
    file, handover = tmp_path / "people.csv", tmp_path / "handover.jsonl"
    write_csv(file, people)
    command: list[str | Path] = [
        "import", file, "--app-key-file", key_file, *MAP, "--rest", "shoes", "--passwords", "generate",
        "--secrets-out", handover, "--json",
    ]  # fmt: skip

    first = vaultctl(served, *command, timeout_s=900)
    again = vaultctl(served, *command)

    assert first.json == {
        "people": PEOPLE, "imported": PEOPLE, "imported_earlier": 0, "failed": 0, "failures": [],
    }  # fmt: skip
    assert (again.code, again.json["imported"], again.json["imported_earlier"]) == (0, 0, PEOPLE)
    assert handover.stat().st_mode & 0o777 == 0o600
    passwords = {entry["login"]: entry["password"] for entry in entries(handover)}
    assert len(set(passwords.values())) == PEOPLE

    def check(person: Somebody) -> None:
        with client.sign_in(person.email, passwords[person.email]) as session:
            contact, shoes = session.records.find()
            assert contact.fields == session.records.get(contact.record_id).fields == person.contact
            assert (shoes.collection, shoes.fields) == ("shoes", {"shoe size": person.shoe_size})
            dialled = {"phone": person.phone, **({"region": person.region} if person.region else {})}
            for where in ({"email": person.email.upper()}, dialled):
                hits = session.records.find(collection="contact", where=where)
                assert [hit.record_id for hit in hits] == [contact.record_id]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, people))

    stolen = dump(served.keys) + dump(served.records)
    assert len(stolen) > 500 * PEOPLE  # there is something to look through
    for person in people:
        for value in (person.email, person.name, person.phone, person.address, passwords[person.email]):
            assert not found_in(stolen, value)
    public = first.out + first.err + (tmp_path / "people.csv.state").read_text()
    for person in people:
        assert not any(value in public for value in (person.email, person.name, passwords[person.email]))


def test_a_value_that_stood_in_a_database_would_be_found_in_its_dump(served: Vault) -> None:
    """As text and as bytes: otherwise the search of the test above would prove nothing."""
    text, raw = make_people(2, of="planted")
    with served.records.superuser() as conn:
        conn.execute("CREATE TABLE public.planted (plain text, hidden bytea)")
        try:
            conn.execute("INSERT INTO public.planted VALUES (%s, %s)", (text.name, raw.address.encode()))
            stolen = dump(served.records)
        finally:
            conn.execute("DROP TABLE public.planted")

    assert found_in(stolen, text.name)
    assert found_in(stolen, raw.address)
    assert not found_in(stolen, text.email)


def test_after_kill_9_the_same_command_does_only_what_is_missing(
    served: Vault, client: VaultClient, key_file: Path, tmp_path: Path
) -> None:
    people = make_people(40, of="killed")
    file, handover, state = tmp_path / "p.csv", tmp_path / "h.jsonl", tmp_path / "p.state"
    write_csv(file, people)
    command: list[str | Path] = [
        "import", file, "--app-key-file", key_file, *MAP, "--passwords", "generate",
        "--secrets-out", handover, "--state", state, "--json",
    ]  # fmt: skip

    kills = 0
    for lines_before_the_kill in (4, 25, 60):
        environment = {**served.environment, "VAULT_API_URL": served.api_url}
        nobody = Path(os.devnull)
        process = forked_command(environment, [str(each) for each in command], nobody, nobody)
        while process.poll() is None:
            if state.exists() and state.read_bytes().count(b"\n") >= lines_before_the_kill:
                process.send_signal(signal.SIGKILL)
                process.wait(30)
                kills += 1
            time.sleep(0.002)
    last = vaultctl(served, *command)

    assert kills >= 2
    assert last.code == 0
    assert last.json["imported"] + last.json["imported_earlier"] == 40
    assert last.json["imported_earlier"] > 0
    passwords = {entry["login"]: entry["password"] for entry in entries(handover)}
    for person in people:
        kept = records_of(client, person.email, passwords[person.email])
        assert [record.fields for record in kept] == [person.contact]  # one record, not two


def test_each_failure_is_told_by_line_and_code_and_corrected_lines_come_in_later(
    served: Vault, client: VaultClient, key_file: Path, tmp_path: Path
) -> None:
    client.sign_up("taken@example.org", PASSWORD)
    rows = [
        ["fine@example.org", "Fine", PASSWORD],
        ["taken@example.org", "Secret Name", PASSWORD],
        ["weak@example.org", "Weak", "aaaaaaaaaaaaaaaaaa"],
        ["", "Nobody", PASSWORD],
        ["short@example.org"],
        ["nul@example.org", "Nu\0l", PASSWORD],
    ]  # fmt: skip
    file = tmp_path / "p.csv"

    def write() -> None:
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([["mail", "name", "pw"], *rows])

    command = (
        "import", file, "--app-key-file", key_file, "--map", "login=mail", "--map", "full_name=name",
        "--passwords", "column:pw", "--json",
    )  # fmt: skip
    write()
    first = vaultctl(served, *command)

    assert first.code == 1
    assert [(failure["line"], failure["code"]) for failure in first.json["failures"]] == [
        (3, "user.login_taken"), (4, "password.weak"), (5, "import.no_login"), (6, "import.cells"),
        (7, "request.malformed_json"),
    ]  # fmt: skip
    assert "Secret Name" not in first.out + first.err
    assert "taken@" not in first.out + first.err

    rows[1][0] = "free@example.org"
    rows[2][2] = "brass kettle under nine willows"
    rows[5][1] = "Null"
    write()
    second = vaultctl(served, *command)

    assert (second.json["imported"], second.json["imported_earlier"], second.json["failed"]) == (3, 1, 2)
    for login, name, password in (rows[0], rows[1], rows[2], rows[5]):
        assert [record.fields for record in records_of(client, login, password)] == [{"full_name": name}]


def test_a_line_that_another_person_moved_into_is_not_skipped_silently(
    served: Vault, key_file: Path, tmp_path: Path
) -> None:
    people = make_people(3, of="moved")
    file = tmp_path / "p.csv"
    command: list[str | Path] = [
        "import", file, "--app-key-file", key_file, *MAP, "--secrets-out", tmp_path / "h.jsonl", "--json",
    ]  # fmt: skip
    write_csv(file, people[:2])
    assert vaultctl(served, *command).json["imported"] == 2
    write_csv(file, [people[2], *people[:2]])

    moved = vaultctl(served, *command)

    lines = {failure["line"]: failure["code"] for failure in moved.json["failures"]}
    assert "import.line_changed" in lines.values()
    assert moved.json["imported_earlier"] == 0


def test_one_time_passwords_are_handed_over_and_open_only_the_choice_of_another(
    served: Vault, client: VaultClient, key_file: Path, tmp_path: Path
) -> None:
    (person,) = make_people(1, of="once")
    file, handover = tmp_path / "p.csv", tmp_path / "h.jsonl"
    write_csv(file, [person])

    done = vaultctl(served, "import", file, "--app-key-file", key_file, *MAP, "--secrets-out", handover)

    assert done.code == 0
    assert "shoe size" in done.err  # what was not taken is told
    (entry,) = entries(handover)
    with (
        client.sign_in(person.email, entry["one_time_password"]) as session,
        pytest.raises(MustChangePasswordError),
    ):
        list(session.records.find())
    client.redeem_one_time_password(entry["user_id"], entry["one_time_password"], PASSWORD)
    (record,) = records_of(client, person.email, PASSWORD)
    assert record.fields == person.contact


def test_json_lines_may_go_to_a_free_collection(
    served: Vault, client: VaultClient, key_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "p.jsonl"
    nested = {"title": "\u2028 Æ", "tags": ["a", {"b": [1, 2.5, None, True]}]}
    file.write_text(json.dumps({"mail": "json@example.org", "pw": PASSWORD, "profile": nested}) + "\n")

    done = vaultctl(
        served, "import", file, "--app-key-file", key_file, "--map", "login=mail", "--map", "profile=profile",
        "--collection", "profile", "--passwords", "column:pw", "--json",
    )  # fmt: skip

    assert done.json["imported"] == 1
    (record,) = records_of(client, "json@example.org", PASSWORD)
    assert (record.collection, record.fields) == ("profile", {"profile": nested})


def test_a_dry_run_sends_nothing(served: Vault, client: VaultClient, key_file: Path, tmp_path: Path) -> None:
    people = make_people(5, of="dry")
    file = tmp_path / "p.csv"
    write_csv(file, [*people, people[0]])

    checked = vaultctl(served, "import", file, "--app-key-file", key_file, *MAP, "--dry-run", "--json")

    assert checked.code == 1
    assert [failure["code"] for failure in checked.json["failures"]] == ["import.login_twice"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".state"] == []
    with pytest.raises(LoginRefusedError):
        client.sign_in(people[0].email, PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--map", "full_name=name"], 2, "login=COLUMN"),
        (["--map", "login=mial"], 2, "mial"),
        (["--map", "login=e-mail"], 2, "--secrets-out"),
        (["--map", "login=e-mail", "--passwords", "hunter2"], 2, "--passwords"),
        (
            ["--map", "login=e-mail", "--passwords", "column:phone", "--api", "http://192.0.2.1"],
            2,
            "clear text",
        ),
        (
            [
                "--map",
                "login=e-mail",
                "--passwords",
                "column:phone",
                "--api",
                "https://127.0.0.1:9",
                "--retries",
                "1",
            ],
            4,
            "run the same",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_exit_code(
    served: Vault, key_file: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    file = tmp_path / "p.csv"
    write_csv(file, make_people(1, of="never"))
    assert COLUMNS[0] == "e-mail"

    refused = vaultctl(served, "import", file, "--app-key-file", key_file, *arguments)

    assert refused.code == code
    assert said in refused.err


def test_an_app_key_that_others_can_read_is_refused(served: Vault, key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    write_csv(file, make_people(1, of="never"))
    key_file.chmod(0o644)

    refused = vaultctl(
        served, "import", file, "--app-key-file", key_file, *MAP, "--secrets-out", tmp_path / "h.jsonl"
    )

    assert refused.code == 3
    assert "chmod 0600" in refused.err


def test_a_refused_app_key_stops_everything_at_once(served: Vault, key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    write_csv(file, make_people(30, of="never"))
    key_file.write_text("vsa_" + "A" * 86)

    refused = vaultctl(
        served, "import", file, "--app-key-file", key_file, *MAP, "--secrets-out", tmp_path / "h.jsonl"
    )

    assert refused.code == 5
    begun = [entry for entry in entries(tmp_path / "p.csv.state") if "begun" in entry]
    assert len(begun) <= 4

"""A dry run tells what the vault would refuse of each person, by the policies that lie here."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from vault_service.cli.people.crew import check_all
from vault_service.cli.people.mapping import parse_mapping
from vault_service.cli.people.rehearsal import Rehearsal
from vault_service.cli.people.source import BadRow, Row
from vault_service.domain.errors import InvalidInputError
from vault_service.policy.load import load_policies
from vault_service.records.strict_json import JsonValue

POLICIES = load_policies(Path(__file__).parents[2] / "policies")
GOOD = "plum tractor velvet orbit"


def codes(
    *people: Mapping[str, JsonValue], collection: str = "contact", rest: str | None = None
) -> list[str]:
    """What each line gets, "" if nothing."""
    mapping = parse_mapping(
        ["login=login", "email=email", "phone=phone"], password="pw", rest=rest is not None
    )
    rows = [Row(line, {"pw": GOOD, "email": "a@x.org", **each}) for line, each in enumerate(people)]
    report = check_all(rows, mapping, lambda: None, Rehearsal(POLICIES, collection, rest))
    found = {each.line: each.code for each in report.failures}
    return [found.get(line, "") for line in range(len(people))]


def test_a_dry_run_finds_bad_lines_and_logins_that_come_twice() -> None:
    lines: list[Row | BadRow] = [
        Row(2, {"login": "a"}), Row(3, {"login": ""}), BadRow(4, "import.cells", "x"), Row(5, {"login": "a"}),
    ]  # fmt: skip
    mapping = parse_mapping(["login=login"], password=None, rest=False)
    report = check_all(lines, mapping, lambda: None, Rehearsal(POLICIES, "contact", None))
    assert [(failure.line, failure.code) for failure in report.failures] == [
        (3, "import.no_login"), (4, "import.cells"), (5, "import.login_twice"),
    ]  # fmt: skip


def test_two_spellings_of_one_login_are_one_login() -> None:
    assert codes({"login": "Ana@x.org"}, {"login": " ana@X.org"}) == ["", "import.login_twice"]


@pytest.mark.parametrize("login", ["   ", "a\x00b", "x" * 321], ids=["blank", "NUL", "too long"])
def test_a_login_that_the_vault_would_not_take_is_told(login: str) -> None:
    assert codes({"login": login}, {"login": "ana@x.org"}) == ["request.invalid", ""]


@pytest.mark.parametrize("password", ["short", "abcdefghijklmnopqrst", "silva.ana@example.org"])
def test_a_password_that_the_vault_would_not_take_is_told(password: str) -> None:
    assert codes({"login": "silva.ana@example.org", "pw": password}) == ["password.weak"]


def test_no_problem_quotes_what_stands_in_the_file() -> None:
    mapping = parse_mapping(["login=login", "email=email"], password="pw", rest=False)
    rows = [Row(1, {"login": "ana", "pw": "canary"}), Row(2, {"login": "\x00canary", "pw": GOOD})]

    report = check_all(rows, mapping, lambda: None, Rehearsal(POLICIES, "contact", None))

    assert len(report.failures) == 2
    assert "canary" not in repr(report.failures)


def test_fields_that_the_collection_does_not_take_are_told() -> None:
    assert codes({"login": "a", "email": 7}, {"login": "b", "email": "b@x.org"}) == ["request.invalid", ""]


def test_a_record_that_is_too_large_is_told_in_the_bytes_that_would_be_sent() -> None:
    """The limit is of 64 KiB, however many letters these are, and whatever JSON could make of them."""
    two, one = {"login": "a", "email": "é" * 32_768}, {"login": "b", "email": "é" * 32_000}
    assert codes(two, one) == ["request.too_large", ""]


def test_what_goes_to_the_collection_of_the_rest_is_looked_at_as_well() -> None:
    assert codes({"login": "a", "shoe": "x" * 70_000}, rest="others") == ["request.too_large"]


@pytest.mark.parametrize(("collection", "rest"), [("No Name", None), ("contact", "No Name")])
def test_a_collection_that_cannot_be_is_told_once_and_not_by_line(collection: str, rest: str | None) -> None:
    with pytest.raises(InvalidInputError, match="collection"):
        Rehearsal(POLICIES, collection, rest)

"""docs/recovery.md, done as it stands, and what it says of kinds of cases."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pyrage
import pytest

from tests.rig.people import enrol, kms_of
from tests.rig.vault import REPOSITORY
from tests.runbooks.desk import Desk, until
from tests.runbooks.pages import DOCS, RUNBOOKS, blocks
from vault_service.domain.case import CASE_KINDS, CaseKind
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Role
from vault_service.kms.protocol.recovery_messages import BeginRecovery, RecoveryBegun
from vault_service.policy.authority import Authority, CaseAction
from vault_service.policy.separation import a_case, an_officer

PAGE = (DOCS / "recovery.md").read_text("utf-8")
NEW_PASSWORD = "eleven swans on a frozen canal"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_day_of_an_officer(desk: Desk) -> None:
    app = kms_of(desk.vault)
    person = enrol(desk.vault, app)

    def asks() -> str:
        request = BeginRecovery(desk.vault.app_key, new_uuid(), person.login, NEW_PASSWORD)
        begun = app.call(request, RecoveryBegun)
        desk.variables["CASE"] = str(begun.case_id)
        return begun.verification_phrase

    answers = {
        "Passphrase of ana.key: ": (desk.folder / "ana.passphrase").read_text(),
        "[y/N]: ": "y",
        "person proved it: ": person.login,
        "read to you: ": asks(),
        "Login: ": person.login,
    }
    desk.stop_ceremonies()
    with desk.follow("recovery.md") as page:
        listed, shown, approved = page.run_in_a_terminal(answers)
        assert desk.variables["CASE"] in listed.shown
        assert "and not shown here" in shown.shown
        assert "An approval signs exactly this text:" in shown.shown
        assert "Next: one more officer has to approve it" in approved.shown
        assert answers["read to you: "] not in shown.shown

        desk.start_ceremonies()
        until(desk.waits_for_shares)
        page.run_in_a_terminal(answers)
        bob = "--key bob.key --passphrase-file bob.passphrase --yes"
        said = f'--login {person.login} --phrase "{answers["read to you: "]}"'
        done = desk.type(f"vaultctl recovery approve $CASE {bob} {said}")
        assert "Your share is released" in done.out, done.err
        assert desk.executed()
        assert not person.opens_with(person.password)
        assert person.opens_with(NEW_PASSWORD)

        asks()
        page.run_in_a_terminal(answers)
        assert desk.state() == "vetoed"

        desk.variables |= {
            "USER_ID": str(person.user),
            "RECIPIENT": str(pyrage.x25519.Identity.generate().to_public()),
        }
        found, opened = page.run_in_a_terminal(answers)
        assert str(person.user) in found.shown
        assert "hands out:   contact: phone, email" in opened.shown
    app.close()


def table() -> dict[str, list[str]]:
    """Kind -> what stands beside it."""
    _, _, rows = PAGE.partition("| kind |")
    found = re.findall(r"^\| ([a-z ]+) \| (.*) \|$", rows.partition("\n\n")[0], re.MULTILINE)
    return {kind.replace(" ", "-"): cells.split(" | ") for kind, cells in found}


def roles(cell: str) -> set[str]:
    """An officer's roles that a cell names, in the singular."""
    words = {word.removesuffix("s") for word in re.findall(r"[a-z]+", cell)}
    return words & {"requester", "approver", "discloser", "auditor", "operator"}


@pytest.mark.parametrize("kind", CASE_KINDS)
def test_the_table_of_kinds_says_what_the_policies_say(kind: CaseKind) -> None:
    opens, approves, _ = table()[kind]
    shipped = Authority.load(REPOSITORY / "policies")

    def may(action: CaseAction) -> set[str]:
        each = get_args(Role)
        return {role for role in each if shipped.rules_that_permit(an_officer(role), action, a_case(kind))}

    assert roles(approves) == may("approve")
    if kind == "regain":
        assert (roles(opens), "the person" in opens) == (set(), True)
    else:
        assert roles(opens) == may("open")


def test_the_table_names_each_kind_once_and_every_number_stands_in_the_policy() -> None:
    policy = tomllib.loads((REPOSITORY / "policies" / "recovery.toml").read_text())

    assert tuple(table()) == CASE_KINDS
    assert {kind.replace("-", "_") for kind in table()} | {"drill_all"} == set(policy["quorum"])
    assert set(policy["waiting_s"]) == set(policy["quorum"]) - {"drill_all"}
    assert policy["limits"]["wrong_identifications"] == 10, "the page says: after ten"
    assert "after ten the case takes no more" in " ".join(PAGE.split())
    assert "every_days" in policy["drill"]


def test_every_runbook_is_followed_by_a_test_and_named_by_the_manual() -> None:
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert set(re.findall(r'follow\("runbooks/([a-z-]+\.md)"\)', tests)) == pages
    for index in (PAGE, (RUNBOOKS / "README.md").read_text("utf-8")):
        assert pages <= set(re.findall(r"\((?:runbooks/)?([a-z-]+\.md)\)", index))
    for path in RUNBOOKS.glob("*.md"):
        assert path.read_text("utf-8").count("```") == 2 * len(blocks(path)), f"{path.name}: what is no sh"

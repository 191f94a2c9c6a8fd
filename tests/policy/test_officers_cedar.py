"""Who may do what in a recovery: policies/officers.cedar as a table, and what nobody may take out of it."""

import re
import shutil
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from vault_service.domain.case import CASE_KINDS, CaseKind, Scope
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.manifest import Quorum, Role
from vault_service.domain.recovery_errors import NotPermittedError, SeparationOfDutyError
from vault_service.policy.authority import Authority, CaseAction
from vault_service.policy.load import load_policies
from vault_service.policy.recovery_rules import QuorumRule
from vault_service.policy.rights import rights
from vault_service.policy.separation import (
    ACCOUNT,
    ALL_ROLES,
    SELF,
    a_case,
    an_officer,
    missing_separation,
)

SHIPPED = Path(__file__).parents[2] / "policies"
EVERYBODY = "requester approver discloser auditor operator"
NOBODY = ""
# who may, each role by itself -- do what -- with which kinds of cases of other people
TABLE: list[tuple[str, CaseAction, str]] = [
    ("requester", "open", "regain disclosure erasure officer-change"),
    ("requester operator", "open", "drill key-ceremony escrow-rotation"),
    ("approver", "approve", "regain erasure drill key-ceremony officer-change"),
    ("discloser", "approve", "disclosure escrow-rotation"),
    ("approver discloser", "veto", " ".join(CASE_KINDS)),
    (EVERYBODY, "release", " ".join(CASE_KINDS)),
]
SENTENCES = [
    (role, action, kind, role in roles.split())
    for roles, action, kinds in TABLE
    for kind in kinds.split()
    for role in get_args(Role)
]
DECIDE = r'forbid \(principal, action in \[Action::"approve", Action::"veto"\]'
FORBIDS = ["nobody-decides-what-they-opened", "nobody-decides-about-their-own-account", "auditors-only-look"]


@pytest.fixture(scope="module")
def shipped() -> Authority:
    return Authority.load(SHIPPED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies, to be changed."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


def rewrite(folder: Path, pattern: str, new: str) -> None:
    file = folder / "officers.cedar"
    text, count = re.subn(pattern, new, file.read_text("utf-8"), flags=re.DOTALL)
    assert count == 1
    file.write_text(text, "utf-8")


def without(folder: Path, rule: str) -> Path:
    """The policies without one rule."""
    rewrite(folder, rf'@id\("{rule}"\)\n(permit|forbid)[^;]*;', "")
    return folder


def test_the_table_speaks_of_every_action_and_kind() -> None:
    spoken = {(action, kind) for _, action, kind, _ in SENTENCES}

    assert spoken == {(action, kind) for action in get_args(CaseAction) for kind in CASE_KINDS}


@pytest.mark.parametrize(
    ("role", "action", "kind", "may"),
    SENTENCES,
    ids=[f"{role} {'may' if may else 'may not'} {action} {kind}" for role, action, kind, may in SENTENCES],
)
def test_each_role_may(shipped: Authority, role: Role, action: CaseAction, kind: CaseKind, may: bool) -> None:
    permitted = shipped.rules_that_permit(an_officer(role), action, a_case(kind))

    assert bool(permitted) == may


@pytest.mark.parametrize("role", [*get_args(Role), None])
def test_who_is_not_asked_to_decide_anything_finds_no_users(shipped: Authority, role: Role | None) -> None:
    officer = an_officer(*((role,) if role else ()))

    assert bool(shipped.rules_that_permit_in_general(officer, "find_user")) == (
        role in {"requester", "approver", "discloser"}
    )
    assert shipped.rules_that_permit_in_general(officer, "list") == ("officers-see-cases",)


@pytest.mark.parametrize("role", [*get_args(Role), None])
def test_auditors_and_who_decides_look_into_the_logs(shipped: Authority, role: Role | None) -> None:
    officer = an_officer(*((role,) if role else ()))

    assert bool(shipped.rules_that_permit_in_general(officer, "audit")) == (
        role in {"auditor", "approver", "discloser"}
    )


@pytest.mark.parametrize("action", ["approve", "veto"])
@pytest.mark.parametrize("kind", [kind for kind in CASE_KINDS if kind != "regain"])
def test_nobody_decides_what_they_opened_whatever_their_roles(
    shipped: Authority, kind: CaseKind, action: CaseAction
) -> None:
    with pytest.raises(NotPermittedError, match="nobody-decides-what-they-opened"):
        shipped.demand(an_officer(*ALL_ROLES), action, a_case(kind, requester=SELF))


@pytest.mark.parametrize("action", ["open", "approve", "veto"])
@pytest.mark.parametrize("kind", ["regain", "disclosure", "erasure"])
def test_nobody_has_a_say_about_their_own_account_whatever_their_roles(
    shipped: Authority, kind: CaseKind, action: CaseAction
) -> None:
    with pytest.raises(NotPermittedError, match="nobody-decides-about-their-own-account"):
        shipped.demand(an_officer(*ALL_ROLES), action, a_case(kind, subject=ACCOUNT))


def test_an_auditor_who_is_an_operator_too_opens_nothing(shipped: Authority) -> None:
    with pytest.raises(NotPermittedError, match="auditors-only-look"):
        shipped.demand(an_officer("auditor", "operator"), "open", a_case("drill"))


@pytest.mark.parametrize("rule", FORBIDS)
def test_policies_without_a_forbid_are_refused_at_start_and_the_rule_is_named(
    folder: Path, rule: str
) -> None:
    with pytest.raises(SeparationOfDutyError) as refused:
        load_policies(without(folder, rule))

    assert "officers.cedar" in refused.value.detail
    assert [each for each in FORBIDS if each in refused.value.detail] == [rule]


def test_all_that_are_missing_are_named_at_once(folder: Path) -> None:
    for rule in FORBIDS:
        without(folder, rule)

    with pytest.raises(SeparationOfDutyError) as refused:
        load_policies(folder)

    assert all(rule in refused.value.detail for rule in FORBIDS)


@pytest.mark.parametrize(
    ("pattern", "new", "says"),
    [
        (
            r'"veto"\], resource\)\nwhen { resource has requester',
            '"veto"], resource)\nwhen { false && resource has requester', "a requester may approve",
        ),
        (DECIDE, 'forbid (principal, action in [Action::"veto"]', "a requester may approve"),
        (DECIDE, 'forbid (principal, action in [Action::"approve"]', "a requester may veto"),
        (
            r"resource.subject.contains\(principal\)",
            'resource.subject.contains(principal) && resource.kind != "erasure"',
            "the subject may open (erasure)",
        ),
        (r'principal.roles.contains\("requester"\) }', "true }", "an officer without a role may open"),
    ],
    ids=[
        "a condition that never holds", "approving left out", "vetoing left out", "one kind let through",
        "a permit for everybody",
    ],
)  # fmt: skip
def test_a_rule_that_is_there_in_name_only_is_as_good_as_missing(
    folder: Path, pattern: str, new: str, says: str
) -> None:
    """The rules are asked, not read."""
    rewrite(folder, pattern, new)

    with pytest.raises(SeparationOfDutyError, match=re.escape(says)):
        load_policies(folder)


def test_rules_may_be_renamed_and_put_differently(folder: Path) -> None:
    rewrite(folder, "nobody-decides-what-they-opened", "dual-control")

    assert missing_separation(load_policies(folder).authority) == ()


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r'Action::"veto", resource\)', 'Action::"vetoo", resource)'),
        (r"principal\.roles\.contains\(\"requester\"\)", 'principal.rolls.contains("requester")'),
        (r'\["disclosure", "escrow-rotation"\]\.contains\(resource\.kind\)', "resource.kind == 7"),
        (r"permit \(principal, action == Action::\"release\"", 'permit (principal, action == "release"'),
    ],
    ids=["unknown action", "unknown attribute", "another type", "no Cedar"],
)
def test_what_does_not_fit_the_schema_is_refused_with_its_file(folder: Path, pattern: str, new: str) -> None:
    rewrite(folder, pattern, new)

    with pytest.raises(ConfigurationError, match=r"officers\.cedar"):
        load_policies(folder)


def test_a_schema_that_knows_fewer_actions_is_refused(folder: Path) -> None:
    schema = folder / "officers.cedarschema"
    schema.write_text(schema.read_text().replace("open, approve, veto, release", "open, approve, release"))

    with pytest.raises(ConfigurationError, match=r"officers\.cedar"):
        load_policies(folder)


@pytest.mark.parametrize("name", ["officers.cedar", "officers.cedarschema"])
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(ConfigurationError, match=name):
        load_policies(folder)


def test_the_rights_are_shown_with_the_rules_that_give_them(shipped: Authority) -> None:
    shown = {right.what: (right.roles, right.rules) for right in rights(shipped)}

    assert shown["approve a disclosure"] == (
        ("discloser",),
        ("disclosers-approve-what-shows-data-keys-to-a-ceremony",),
    )
    assert shown["open a drill"][0] == ("requester", "operator")
    assert set(shown["open a drill"][1]) == {
        "requesters-open-cases", "operators-open-drills-and-what-rotates-keys",
    }  # fmt: skip
    assert shown["release a share to a regain"][0] == ("every officer",)
    assert "open a regain" not in shown


def test_a_quorum_below_the_manifest_s_is_told_with_file_and_rule(folder: Path) -> None:
    policy = load_policies(folder).recovery

    assert policy.below_quorum(Quorum(2, 2)) == ()
    assert policy.below_quorum(Quorum(2, 3)) == (
        "recovery.toml: quorum.drill_all 2, and the manifest demands 3",
        "recovery.toml: quorum.disclosure 2, and the manifest demands 3",
        "recovery.toml: quorum.escrow_rotation 2, and the manifest demands 3",
    )
    assert len(policy.below_quorum(Quorum(3, 3))) == 8
    assert policy.quorum_of("regain", a_case("regain").scope, Quorum(3, 3)) == 3, "and counts for nothing"


def test_where_every_data_key_passes_one_process_as_many_agree_as_for_a_disclosure(folder: Path) -> None:
    policy = load_policies(folder).recovery

    kinds: list[tuple[CaseKind, int | None]] = [
        ("disclosure", None), ("escrow-rotation", None), ("drill", None), ("drill", 5),
    ]  # fmt: skip
    for kind, sample in kinds:
        scope = Scope(sample=sample)
        assert policy.quorum_of(kind, scope, Quorum(2, 4)) == (2 if sample else 4), kind


@pytest.mark.parametrize("rule", [field.name for field in msgspec.structs.fields(QuorumRule)])
def test_no_quorum_is_one_person(folder: Path, rule: str) -> None:
    file = folder / "recovery.toml"
    file.write_text(re.sub(rf"\n{rule} = 2", f"\n{rule} = 1", file.read_text(), count=1))

    with pytest.raises(ConfigurationError, match=rf"recovery\.toml.*{rule}"):
        load_policies(folder)

"""Separation of duty: whether officers.cedar refuses what nobody may ever do, whoever wrote it.

The rules are asked, not read: an officer with every role tries each thing. The file may be rewritten and its
rules renamed, but one that permits any of this is refused at start. Code refuses it as well
(crypto/approvals.py); a file that says otherwise would mislead whoever reads it, and shows that somebody
was at it. Rules that name single officers are not tried out: there the code alone stands guard.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from vault_service.domain.case import CASE_KINDS, Case, CaseKind, CollectionScope, Scope, check_case
from vault_service.domain.manifest import Officer, Role
from vault_service.domain.recovery_errors import NotPermittedError
from vault_service.policy.authority import Authority, CaseAction

SELF, ANOTHER, ACCOUNT, OTHER_ACCOUNT = (UUID(int=number) for number in (1, 2, 3, 4))
ALL_ROLES: tuple[Role, ...] = ("requester", "approver", "discloser", "auditor", "operator")
_HASH, _TIME = "0" * 64, "2000-01-0{}T00:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Missing:
    """A `forbid` that is not there, and what is permitted without it."""

    rule: str
    permits: tuple[str, ...]

    def __str__(self) -> str:
        """For people."""
        return f"{self.rule} is missing: without it {', '.join(self.permits)}"


def an_officer(*roles: Role) -> Officer:
    """Somebody who does not exist, with these roles and an own account."""
    return Officer(SELF, "an officer", roles, (), "", (ACCOUNT,))


def a_case(kind: CaseKind, *, requester: UUID = ANOTHER, subject: UUID = OTHER_ACCOUNT) -> Case:
    """A case to ask the rules about; it fits its kind."""
    about = kind in {"regain", "disclosure", "erasure"}
    case = Case(
        v=1, case_id=UUID(int=9), kind=kind,
        tenant=UUID(int=5) if about else None, user_id=subject if about else None,
        dek_id=UUID(int=6) if about else None, epoch=1 if about else None,
        login_index=_HASH if about else None,
        target_pk="04" + 2 * _HASH if kind == "regain" else None,
        recipient="age1" + "q" * 58 if kind == "disclosure" else None, stolen=False,
        requester=None if kind == "regain" else requester, app_id=UUID(int=7) if kind == "regain" else None,
        reason="",
        scope=Scope(
            collections=(CollectionScope("contact"),) if kind == "disclosure" else (),
            sample=1 if kind == "drill" else None,
            manifest=_HASH if kind == "officer-change" else None,
        ),
        escrow_gen=1, manifest_serial=1, manifest_hash=_HASH, quorum=2,
        opened_at=_TIME.format(1), not_before=_TIME.format(1), expires_at=_TIME.format(2), nonce=_HASH,
    )  # fmt: skip
    check_case(case)
    return case


def missing_separation(authority: Authority) -> tuple[Missing, ...]:
    """Which of the rules of separation of duty these policies lack; empty when all are there."""
    found = (
        ("nobody-decides-what-they-opened", _permitted(authority, _own_cases)),
        ("nobody-decides-about-their-own-account", _permitted(authority, _own_account)),
        ("auditors-only-look", _permitted(authority, _auditors)),
        ("only-roles-give-rights", _permitted(authority, _without_roles)),
    )
    return tuple(Missing(rule, permits) for rule, permits in found if permits)


_Try = tuple[Officer, CaseAction, Case, str]


def _permitted(authority: Authority, tries: Callable[[], Iterator[_Try]]) -> tuple[str, ...]:
    sayings: dict[str, None] = {}
    for officer, action, case, saying in tries():
        try:
            authority.demand(officer, action, case)
        except NotPermittedError:
            continue
        sayings[f"{saying} ({case.kind})"] = None
    return tuple(sayings)


_DECISIONS: tuple[CaseAction, ...] = ("approve", "veto")
_ACTS: tuple[CaseAction, ...] = ("open", *_DECISIONS)


def _own_cases() -> Iterator[_Try]:
    for kind in CASE_KINDS:
        if kind != "regain":  # no officer opens one
            for action in _DECISIONS:
                yield (
                    an_officer(*ALL_ROLES),
                    action,
                    a_case(kind, requester=SELF),
                    f"a requester may {action}",
                )


def _own_account() -> Iterator[_Try]:
    for kind in CASE_KINDS:
        case = a_case(kind, subject=ACCOUNT)
        for action in _ACTS if case.is_about_somebody else ():
            yield an_officer(*ALL_ROLES), action, case, f"the subject may {action}"


def _auditors() -> Iterator[_Try]:
    roles: tuple[tuple[Role, ...], ...] = (("auditor",), ("auditor", "operator"))
    for each in roles:
        for kind in CASE_KINDS:
            for action in _ACTS:
                yield an_officer(*each), action, a_case(kind), f"an auditor may {action}"


def _without_roles() -> Iterator[_Try]:
    for kind in CASE_KINDS:
        for action in _ACTS:
            yield an_officer(), action, a_case(kind), f"an officer without a role may {action}"

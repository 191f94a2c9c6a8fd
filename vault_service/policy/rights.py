"""officers.cedar as a table that people read: what may be done, by which roles, by which rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from vault_service.domain.case import CASE_KINDS, CaseKind
from vault_service.domain.manifest import Role
from vault_service.policy.authority import Authority, CaseAction, VaultAction
from vault_service.policy.separation import a_case, an_officer

_ROLES: tuple[Role, ...] = get_args(Role)
_NO_ROLE = "every officer"
_IN_GENERAL: tuple[tuple[VaultAction, str], ...] = (
    ("find_user", "find the user of a login"), ("list", "see cases"),
)  # fmt: skip
_ARTICLE = {"erasure": "an", "officer-change": "an", "escrow-rotation": "an"}


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that officers do, or that none of them may."""

    what: str
    roles: tuple[str, ...]
    rules: tuple[str, ...]  # by their @id


def rights(authority: Authority) -> Iterator[Right]:
    """Each action on each kind of case of somebody else's, then what belongs to no case.

    Each role is asked for alone; what a forbid takes away again stands in the rules' own words.
    """
    actions: tuple[CaseAction, ...] = get_args(CaseAction)
    for action in actions:
        for kind in CASE_KINDS:
            if not (action == "open" and kind == "regain"):  # the user does, through an app
                yield _right(authority, action, kind)
    for general, what in _IN_GENERAL:
        found: dict[Role | None, tuple[str, ...]] = {
            role: authority.rules_that_permit_in_general(an_officer(*((role,) if role else ())), general)
            for role in (None, *_ROLES)
        }
        yield _named(what, found)


def _right(authority: Authority, action: CaseAction, kind: CaseKind) -> Right:
    found: dict[Role | None, tuple[str, ...]] = {
        role: authority.rules_that_permit(an_officer(*((role,) if role else ())), action, a_case(kind))
        for role in (None, *_ROLES)
    }
    share = "a share to " if action == "release" else ""
    return _named(f"{action} {share}{_ARTICLE.get(kind, 'a')} {kind}", found)


def _named(what: str, found: Mapping[Role | None, tuple[str, ...]]) -> Right:
    rules = tuple(dict.fromkeys(rule for each in found.values() for rule in each))
    if found[None]:
        return Right(what, (_NO_ROLE,), rules)
    return Right(what, tuple(role for role, each in found.items() if role and each), rules)

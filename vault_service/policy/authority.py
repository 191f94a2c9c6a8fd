"""Who may do what, as policies/officers.cedar says: readable by compliance officers, validated at start."""

from pathlib import Path
from typing import Literal, cast

import cedarpy

from vault_service.domain.case import Case
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.manifest import Officer
from vault_service.domain.recovery_errors import NotPermittedError

CaseAction = Literal["open", "approve", "veto", "release"]
VaultAction = Literal["find_user", "invite", "list", "audit"]
_VAULT: dict[str, object] = {"uid": {"type": "Vault", "id": "vault"}, "attrs": {}, "parents": []}


class Authority:
    """The policies, parsed once."""

    def __init__(self, policies: str, schema: str) -> None:
        self._schema = cedarpy.Schema.from_str(schema)
        self._policies = cedarpy.PolicySet.from_str(policies)

    @classmethod
    def load(cls, directory: Path) -> "Authority":
        """Read and validate officers.cedar against officers.cedarschema. Raises ConfigurationError."""
        policies, schema = (_read(directory / name) for name in ("officers.cedar", "officers.cedarschema"))
        try:
            found = cedarpy.validate_policies(policies, schema)  # pyright: ignore[reportUnknownMemberType]  # its dict has no parameters
        except ValueError as error:
            raise _unusable(directory, str(error)) from error
        if not found.validation_passed:
            raise _unusable(directory, "; ".join(str(each.error) for each in found.errors))
        return cls(policies, schema)

    def demand(self, officer: Officer, action: CaseAction, case: Case) -> None:
        """Raises NotPermittedError unless a rule permits it and none forbids it."""
        self._demand(officer, action, _case(officer, case), f"a case of kind {case.kind}")

    def demand_in_general(self, officer: Officer, action: VaultAction) -> None:
        """The same for what belongs to no case."""
        self._demand(officer, action, _VAULT, "this vault")

    def rules_that_permit(self, officer: Officer, action: CaseAction, case: Case) -> tuple[str, ...]:
        """The names of the rules by which it is permitted; empty when it is not. To show to people."""
        permitted, rules = self._ask(officer, action, _case(officer, case))
        return tuple(rules) if permitted else ()

    def rules_that_permit_in_general(self, officer: Officer, action: VaultAction) -> tuple[str, ...]:
        """The same for what belongs to no case."""
        permitted, rules = self._ask(officer, action, _VAULT)
        return tuple(rules) if permitted else ()

    def _demand(self, officer: Officer, action: str, resource: dict[str, object], what: str) -> None:
        permitted, rules = self._ask(officer, action, resource)
        if not permitted:
            why = ", ".join(rules) or "no rule permits it"
            raise NotPermittedError(f"{officer.name} may not {action.replace('_', ' ')} {what} ({why})")

    def _ask(self, officer: Officer, action: str, resource: dict[str, object]) -> tuple[bool, list[str]]:
        entities = [_officer(officer), resource]
        uid = resource["uid"]
        request = {
            "principal": {"type": "Officer", "id": str(officer.officer_id)},
            "action": {"type": "Action", "id": action},
            "resource": uid,
            "context": {},
        }
        answer = cedarpy.is_authorized(request, self._policies, entities, self._schema)  # pyright: ignore[reportUnknownMemberType]  # likewise
        # NoDecision is a refusal too.
        permitted = answer.decision == cedarpy.Decision.Allow and not answer.diagnostics.errors
        return permitted, sorted(_rules(answer))


def _rules(answer: cedarpy.AuthzResult) -> list[str]:
    named = cast("dict[str, str]", answer.diagnostics.id_annotations_by_reason)  # pyright: ignore[reportUnknownMemberType]  # likewise
    return [named.get(rule, rule) for rule in answer.diagnostics.reasons]


def _officer(officer: Officer) -> dict[str, object]:
    return {
        "uid": {"type": "Officer", "id": str(officer.officer_id)},
        "attrs": {"name": officer.name, "roles": list(officer.roles)},
        "parents": [],
    }


def _reference(officer_id: object) -> dict[str, object]:
    return {"__entity": {"type": "Officer", "id": str(officer_id)}}


def _case(officer: Officer, case: Case) -> dict[str, object]:
    attrs: dict[str, object] = {
        "kind": case.kind,
        "stolen": case.stolen,
        "all_users": case.kind == "drill" and case.scope.sample is None,
    }
    if case.requester is not None:
        attrs["requester"] = _reference(case.requester)
    if case.user_id is not None:
        attrs["subject"] = [_reference(officer.officer_id)] if case.user_id in officer.user_ids else []
    return {"uid": {"type": "Case", "id": str(case.case_id)}, "attrs": attrs, "parents": []}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: {error}", remedy="Restore it from the project's policies/ folder."
        ) from error


def _unusable(directory: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{directory / 'officers.cedar'}: {why}", remedy="Correct it, then run vaultctl policy check."
    )

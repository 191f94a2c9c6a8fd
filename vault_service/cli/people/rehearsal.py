"""What the vault would refuse of a person, as far as it can be told without signing anybody up.

The vault's own rules are applied to the login, the password and the fields, by the policies of this host.
What only the vault knows is left to it: which logins are taken, and the names that a password must not hold
of the app.
"""

import json
from dataclasses import dataclass

from vault_service.cli.people.mapping import Person
from vault_service.cli.people.source import BadRow
from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import VaultError
from vault_service.domain.login import normalise_login
from vault_service.policy.rules import Policies
from vault_service.records.draft import check_draft, rule_of

_SERVICE = "vault_service"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`collection`, `rest`: where each person's record and the unmapped columns would go."""

    policies: Policies
    collection: str
    rest: str | None

    def __post_init__(self) -> None:
        """Raises InvalidInputError for a collection that cannot be."""
        rule_of(self.policies.collections, self.collection)
        if self.rest is not None:
            rule_of(self.policies.collections, self.rest)

    def judge(self, person: Person) -> str | BadRow:
        """The login in the one spelling that the vault knows it by, or why it would refuse the line."""
        step = "sign up"
        try:
            login = normalise_login(person.login)
            if person.password is not None:
                judge_password(person.password, self.policies.passwords, login=login, names=(_SERVICE,))
            step = "record"
            for collection, fields in ((self.collection, person.fields), (self.rest, person.rest)):
                if collection is not None and fields:
                    # As VaultClient sends it: the limit is one of bytes.
                    sent = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
                    check_draft(self.policies.collections, collection, sent.encode("utf-8", "surrogatepass"))
        except VaultError as refusal:
            return BadRow(person.line, refusal.code, f"{step}: {refusal.detail}")
        return login

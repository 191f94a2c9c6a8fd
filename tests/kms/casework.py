"""Cases as the key service opens them, put into the database directly, and a ceremony in this process."""

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, LiteralString

import msgspec

from tests.rig.officers import Ceremony, decide, hand_in, officer_key, sealed_for
from tests.rig.people import Person
from tests.rig.vault import Vault
from vault_service.domain.case import Case, CaseKind, case_time
from vault_service.domain.errors import rebuild
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.manifest import manifest_hash
from vault_service.kms import dispatch
from vault_service.kms.cases.book import case_row, identified_mac, seal_case
from vault_service.kms.dispatch import Caller
from vault_service.kms.protocol.message_base import Answer, Refusal, Request
from vault_service.kms.recovery.regain_key import TargetKey, seal_regain_key
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import find_case, insert_case
from vault_service.storage.keys.peel import find_escrow_of
from vault_service.storage.keys.regains import insert_regain_key
from vault_service.storage.keys.users import find_by_id

NEW_PASSWORD = "a new password of nine brown owls"


@dataclass
class CaseFile:
    """An open case with what a test needs to carry it on."""

    vault: Vault
    service: KeyService
    case: Case
    dek: bytes = field(repr=False, default=b"")

    @property
    def body(self) -> bytes:
        return self.case.encode()

    @property
    def state(self) -> str:
        with self.service.db.connection() as conn:
            row = find_case(conn, CaseId(self.case.case_id))
        assert row is not None
        return row.state

    @property
    def events(self) -> list[KeysEvent]:
        """Of this case, in their order."""
        with self.vault.keys.superuser() as conn:
            rows = conn.execute(
                "SELECT kind FROM audit_events WHERE case_id = %(case)s ORDER BY event_id",
                {"case": self.case.case_id},
            ).fetchall()
        return [KeysEvent(row[0]) for row in rows]

    def write(self, assignment: LiteralString, **values: object) -> None:
        """As a superuser of the keys database, into the case's row."""
        with self.vault.keys.superuser() as conn:
            done = conn.execute(
                "UPDATE cases SET " + assignment + " WHERE case_id = %(case)s",
                {"case": self.case.case_id, **values},
            )
        assert done.rowcount == 1

    def approve(self, *names: str) -> None:
        """By officers who have typed login and phrase where that is demanded."""
        hand_in(
            self.vault,
            self.case.case_id,
            *(
                decide(officer_key(self.vault, name), self.body, identified=self.identified(name))
                for name in names
            ),
        )

    def veto(self, name: str) -> None:
        hand_in(self.vault, self.case.case_id, decide(officer_key(self.vault, name), self.body, "veto"))

    def identified(self, name: str) -> bytes | None:
        if self.case.kind != "regain":
            return None
        return identified_mac(self.service, self.case, officer_key(self.vault, name).officer)


def new_case(service: KeyService, kind: CaseKind, person: Person | None = None, **changes: Any) -> Case:
    """As the key service would open it now, with these changes."""
    manifest, now = service.manifests.current(), service.now()
    values: dict[str, Any] = {
        "v": 1, "case_id": new_uuid(), "kind": kind, "tenant": None, "user_id": None, "dek_id": None,
        "epoch": None, "login_index": None, "target_pk": None, "recipient": None, "stolen": False,
        "requester": None if kind == "regain" else new_uuid(), "app_id": None, "reason": "", "scope": {},
        "escrow_gen": manifest.escrow_key.gen, "manifest_serial": manifest.serial,
        "manifest_hash": manifest_hash(manifest.encode()).hex(), "quorum": 2, "opened_at": case_time(now),
        "not_before": case_time(now), "expires_at": case_time(now + timedelta(days=7)),
        "nonce": os.urandom(32).hex(),
    }  # fmt: skip
    if person is not None:
        with service.db.connection() as conn:
            row = find_escrow_of(conn, person.user)
        assert row is not None
        values |= {
            "tenant": row.tenant, "user_id": row.user, "dek_id": row.dek, "epoch": row.epoch,
            "login_index": row.login_index.hex(),
        }  # fmt: skip
    return msgspec.convert(values | changes, Case)


def open_case(
    vault: Vault, service: KeyService, kind: CaseKind, person: Person | None = None, **changes: Any
) -> CaseFile:
    """Any kind but a regain."""
    case = new_case(service, kind, person, **changes)
    put_case(service, case)
    return CaseFile(vault, service, case)


def open_disclosure(vault: Vault, service: KeyService, person: Person, **changes: Any) -> CaseFile:
    """A case about somebody that takes no password to open."""
    values: dict[str, Any] = {
        "recipient": "age1" + "q" * 58, "scope": {"collections": [{"collection": "note", "fields": []}]},
    }  # fmt: skip
    return open_case(vault, service, "disclosure", person, **(values | changes))


def put_case(service: KeyService, case: Case, **columns: Any) -> None:
    """Store it under its MAC; `columns` stand beside it instead of what it says."""
    body, mac = seal_case(service, case)
    with service.db.transaction() as conn:
        assert insert_case(conn, replace(case_row(case, body, mac), **columns))


def open_regain(
    vault: Vault, service: KeyService, person: Person, password: str = NEW_PASSWORD, *,
    dek: bytes | None = None, **changes: Any,
) -> CaseFile:  # fmt: skip
    """What the key service does for somebody who forgot the password; a login would end an open one."""
    dek = dek or person.unlock().dek
    target = TargetKey.generate()
    case = new_case(service, "regain", person, target_pk=target.point.hex(), **changes)
    put_case(service, case)
    with service.db.transaction() as conn:
        user = find_by_id(conn, person.user)
        assert user is not None
        key = seal_regain_key(service, target, case.case_id, user, password)
        insert_regain_key(conn, CaseId(case.case_id), key)
    return CaseFile(vault, service, case, dek)


def ceremony_in(service: KeyService, caller: str = "ceremony") -> Ceremony:
    """At a key service in this process, by way of what every call goes through."""

    def call(request: Request, answer: type[Answer]) -> Answer:
        given = dispatch.answer(service, Caller(caller, "tests"), request.name, msgspec.json.encode(request))
        if isinstance(given, Refusal):
            raise rebuild(given.code, given.detail, given.retry_after_s)
        assert isinstance(given, answer)
        return given

    return Ceremony(call, service.manifests.current().tokens.escrow)


def regain(file: CaseFile, ceremony: Ceremony | None = None) -> Ceremony:
    """From the approvals to the new credential: a ceremony that knows the DEK from elsewhere."""
    ceremony = ceremony or ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    wrap = ceremony.peel(file.case.case_id).wraps[0]
    ceremony.complete(file.case.case_id, sealed_dek=sealed_for(file.case, wrap, file.dek))
    return ceremony

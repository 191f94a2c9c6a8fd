"""The console as a browser reaches it, without one: Flask's client, passkeys in software, a real vault."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString, cast
from urllib.parse import urlsplit
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.ceremony.office import Office
from tests.rig.passkeys import ORIGIN, SoftPasskey, wrap_share_key
from vault_service.console.app import create_app
from vault_service.console.budget import Budget
from vault_service.console.intents import Intents
from vault_service.console.services import REFUSALS_A_MINUTE, Services
from vault_service.console.sessions import Sessions
from vault_service.crypto.webauthn import Assertion
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Role
from vault_service.recovery.enrolments import change_of
from vault_service.recovery.invitations import invite, prepare_invitation
from vault_service.recovery.propose import draw_up, open_change

_TOKEN = re.compile(r'<meta name="csrf-token" content="([^"]+)">')


@dataclass
class Clock:
    """Monotonic seconds, as the console's process counts them."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Answer(TestResponse):
    """One whose JSON tests look into; it is always there where they do."""

    @property
    def json(self) -> Any:
        return self.get_json()


@dataclass
class Browser:
    """One person's: it keeps cookies, says where it is, and has scripts send their token."""

    client: FlaskClient
    csrf: str = ""

    def get(self, path: str, **headers: str) -> Answer:
        response = self.client.get(path, headers=headers)
        if found := _TOKEN.search(response.text):
            self.csrf = found[1]
        return cast("Answer", response)

    def post(self, path: str, content: Any = None, **headers: str) -> Answer:
        """As passkey.js does."""
        given = {"Origin": ORIGIN, "Accept": "application/json", "X-CSRF-Token": self.csrf} | headers
        return cast("Answer", self.client.post(path, json=content or {}, headers=given))

    def submit(self, path: str, **fields: str) -> Answer:
        """As a form without script."""
        data = fields | {"csrf_token": self.csrf}
        return cast("Answer", self.client.post(path, data=data, headers={"Origin": ORIGIN}))

    def send(
        self, asked: Any, passkey: SoftPasskey, assertion: Assertion | None = None, **other: Any
    ) -> Answer:
        """What was asked to be signed, signed. `assertion`: something else instead."""
        signed = assertion or passkey.sign(bytes.fromhex(asked["challenge"]))
        content = {
            "authenticator_data": signed.authenticator_data.hex(),
            "client_data_json": signed.client_data_json.hex(),
            "signature": signed.signature.hex(),
            "credential_id": passkey.credential_id.hex(),
        }
        return self.post(f"/intents/{asked['intent_id']}", content | other)

    def sign_in(self, passkey: SoftPasskey) -> Answer:
        asked = self.post("/sign-in").json
        return self.send(asked, passkey)

    @property
    def cookie(self) -> str | None:
        found = self.client.get_cookie("__Host-officer")
        return found.value if found else None


@dataclass
class Desk:
    """A console over a vault."""

    office: Office
    services: Services
    app: Flask
    clock: Clock
    people: dict[str, SoftPasskey] = field(default_factory=dict)

    def browser(self) -> Browser:
        return Browser(self.app.test_client())

    def signed_in(self, name: str) -> Browser:
        browser = self.browser()
        assert browser.sign_in(self.people[name]).status_code == 200
        browser.get("/invite")
        return browser

    def invitation(self, name: str = "", *, by: str = "ana", officer: UUID | None = None) -> str:
        """A token, as a key file's officer gives it."""
        acting = self.office.acting(by)
        whom = prepare_invitation(self.office.recovery, acting, name, officer)
        return invite(self.office.recovery, acting, whom, good_for_s=3600).token

    def enrol(self, token: str, passkey: SoftPasskey, *, prf: bool = True) -> Answer:
        """All that enrol.js does. The last answer."""
        browser = self.browser()
        begun = browser.post("/enrol/begin", {"token": token}).json
        made = browser.post("/enrol/card", made_of(begun, passkey, prf=prf))
        return browser.send(made.json, passkey) if made.status_code == 200 else made

    def make_officer(self, name: str, roles: tuple[Role, ...] | None, officer: UUID | None = None) -> UUID:
        """From the invitation to the ceremony that carries it out, by officers with key files."""
        passkey = self.people[name] = SoftPasskey()
        location = self.enrol(self.invitation(name, officer=officer), passkey).json["location"]
        enrolled = enrolled_at(location)
        self.carry_out(enrolled, roles)
        return enrolled

    def carry_out(self, enrolled: UUID, roles: tuple[Role, ...] | None) -> None:
        self.carry_out_all([enrolled], roles)

    def carry_out_all(self, enrolled: Sequence[UUID], roles: tuple[Role, ...] | None) -> None:
        """These cards in one change."""
        recovery, cleo = self.office.recovery, self.office.acting("cleo")
        proposal = draw_up(recovery, cleo, [change_of(recovery, cleo, each, roles) for each in enrolled])
        case = open_change(recovery, cleo, proposal, "as we decided").case_id
        self.office.serve(case, "ana", "bob")

    def sql(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """As a superuser of the keys database."""
        with self.office.vault.keys.superuser() as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def leaves(self, *kinds: KeysEvent) -> Iterator[None]:
        """These events of the console, and no others."""
        query: LiteralString = """SELECT event_id, kind FROM audit_events
            WHERE kind = 48 OR kind BETWEEN 100 AND 107 ORDER BY event_id"""
        before = {row[0] for row in self.sql(query)}
        yield
        assert [KeysEvent(row[1]) for row in self.sql(query) if row[0] not in before] == list(kinds)


def enrolled_at(location: str) -> UUID:
    """Whose page somebody is led to who has handed a card in."""
    return UUID(urlsplit(location).path.rpartition("/")[2])


def made_of(begun: Any, passkey: SoftPasskey, *, prf: bool = True) -> dict[str, str]:
    """A new passkey and share key, as enrol.js sends them."""
    created = passkey.create(bytes.fromhex(begun["challenge"]))
    wrapped = b""
    if prf:
        info = bytes.fromhex(begun["wrap_info_begin"]) + (65).to_bytes(4, "big") + passkey.share_key
        wrapped = wrap_share_key(passkey.share_private, passkey.prf(bytes.fromhex(begun["prf_input"])), info)
    return {
        "enrolment_id": begun["enrolment_id"],
        "attestation_object": created.attestation_object.hex(),
        "client_data_json": created.client_data_json.hex(),
        "share_key": passkey.share_key.hex(),
        "wrapped_share_key": wrapped.hex(),
    }


def desk_of(office: Office, origin: str = ORIGIN) -> Desk:
    clock, rule = Clock(), office.policies.pages.console
    services = Services(
        recovery=office.recovery,
        sessions=Sessions(rule.idle_s, rule.absolute_s, clock),
        intents=Intents(rule.intent_s, clock),
        rule=rule,
        origin=origin,
        refusals=Budget(REFUSALS_A_MINUTE, clock),
        collections=office.policies.collections,
    )
    return Desk(office, services, create_app(services), clock)

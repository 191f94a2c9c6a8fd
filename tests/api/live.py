"""People at the real API: HTTP to gunicorn, the key service and PostgreSQL behind it."""

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.rig.clear_text import CLEAR_TEXT
from tests.rig.vault import PASSWORD, Vault

OTHER_PASSWORD = "eleven kites above a frozen lake"
_numbers = itertools.count(1)


def connect(vault: Vault, bearer: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx.Client(
        base_url=vault.api_url, headers=headers, timeout=30, trust_env=False, verify=CLEAR_TEXT
    )


def new_login() -> str:
    return f"person-{next(_numbers)}-{uuid4().hex[:8]}@example.org"


@dataclass
class Person:
    """A user with a session."""

    user_id: str
    login: str
    http: httpx.Client

    def keep(self, fields: dict[str, Any], collection: str = "note", **headers: str) -> httpx.Response:
        body = {"collection": collection, "fields": fields}
        return self.http.post("/v1/records", json=body, headers=headers)


def sign_up(app: httpx.Client, login: str, password: str | None = PASSWORD) -> httpx.Response:
    body = {"login": login} if password is None else {"login": login, "password": password}
    return app.post("/v1/users", json=body)


def sign_in(app: httpx.Client, login: str, password: str = PASSWORD) -> httpx.Response:
    return app.post("/v1/sessions", json={"login": login, "password": password})


def new_person(vault: Vault, app: httpx.Client) -> Person:
    """Somebody new, signed in."""
    login = new_login()
    user_id = sign_up(app, login).json()["user_id"]
    return Person(user_id, login, connect(vault, sign_in(app, login).json()["token"]))

"""Every route and form once well and in many ways badly, with values that are easy to find again."""

import httpx

from tests.api.live import connect
from tests.rig.vault import Vault
from vault_service.api.user_page.services import Visitor
from vault_service.domain.ids import new_uuid
from vault_service.domain.tokens import SessionToken

LOGIN = "canary-login-5r8w@example.org"
PASSWORD = "canary password under nine umbrellas"
NEW_PASSWORD = "canary password over four fountains"
NAME = "Canary Name Quetzal"
PHONE = "+351912000777"
TITLE = "canary-title-0b7e"
PLANTED = [LOGIN, "canary-login-5r8w", PASSWORD, NEW_PASSWORD, NAME, PHONE, TITLE, "912000777", "Quetzal"]


def go_everywhere(vault: Vault) -> list[str]:
    """Every route and form once well and in many ways badly; the tokens that were given on the way."""
    app = connect(vault, vault.app_key)
    app.post("/v1/users", json={"login": LOGIN, "password": PASSWORD})
    app.post("/v1/users", json={"login": LOGIN, "password": NEW_PASSWORD})
    app.post("/v1/users", json={"login": PASSWORD, "password": TITLE})
    one_time = app.post("/v1/users", json={"login": f"x-{LOGIN}"}).json()
    app.post(f"/v1/users/{TITLE}/password", json={"token": PASSWORD, "new_password": NEW_PASSWORD})
    redeem = {"token": one_time["one_time_password"], "new_password": NEW_PASSWORD}
    app.post(f"/v1/users/{one_time['user_id']}/password", json={**redeem, TITLE: NAME})
    app.post(f"/v1/users/{one_time['user_id']}/password", json=redeem)
    app.post("/v1/sessions", json={"login": LOGIN, "password": NEW_PASSWORD})
    token = app.post("/v1/sessions", json={"login": LOGIN, "password": PASSWORD}).json()["token"]

    with connect(vault, token) as http:
        contact = {"collection": "contact", "fields": {"full_name": NAME, "phone": PHONE, "email": LOGIN}}
        path = http.post("/v1/records", json=contact, headers={"Idempotency-Key": TITLE}).headers["Location"]
        http.post("/v1/records", json={"collection": "contact", "fields": {TITLE: NAME}})
        http.post(
            "/v1/records", content=f'{{"collection":"{TITLE}', headers={"Content-Type": "application/json"}
        )
        http.post("/v1/records", content=NAME, headers={"Content-Type": f"text/plain; x={TITLE}"})
        http.get(path, headers={"If-None-Match": NAME, "X-Request-Id": token, "User-Agent": PASSWORD})
        http.get(path)
        http.put(path, json=contact)
        http.put(path, json={"fields": contact["fields"]}, headers={"If-Match": f'"{TITLE}"'})
        http.patch(path, json={"fields": {"address": TITLE}})
        where = {"collection": "contact", "where": f"email:{LOGIN}"}
        http.get("/v1/records", params=where)
        http.get("/v1/records", params={**where, "cursor": TITLE, TITLE: TITLE})
        http.post("/v1/records/search", json=where)
        http.post("/v1/records/search", json={**where, "where": {TITLE: PHONE}})
        operation = {"op": "create", "collection": "note", "fields": {"title": TITLE}}
        http.post("/v1/records/batch", json={"operations": [operation, {"op": TITLE}]})
        http.post("/v1/records/batch", json={"operations": [operation]})
        http.get("/v1/me/export")
        http.get("/v1/me/accesses", params={"limit": TITLE})
        http.get("/v1/me/receipts")
        http.get("/v1/me")
        http.get(f"/v1/{TITLE}/{LOGIN}", params={"password": PASSWORD})
        http.request(TITLE.upper(), f"/{TITLE}")
        http.put("/v1/me/login", json={"password": NEW_PASSWORD, "new_login": TITLE})
        http.put("/v1/me/login", json={"password": PASSWORD, "new_login": f"y-{LOGIN}"})
        http.put("/v1/me/password", json={"current_password": PASSWORD, "new_password": "canarycanarycanary"})
        http.put("/v1/me/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD})
        http.get("/v1/me")
    app.post("/v1/recoveries", json={"login": LOGIN, "new_password": NEW_PASSWORD, TITLE: NAME})
    app.post("/v1/recoveries", json={"login": LOGIN, "new_password": "canarycanarycanary"})
    begun = app.post(
        "/v1/recoveries", json={"login": f"y-{LOGIN}", "new_password": PASSWORD},
        headers={"Idempotency-Key": TITLE},
    )  # fmt: skip
    app.get(begun.headers["Location"])
    app.get(f"/v1/recoveries/{TITLE}")
    code = {"login": f"y-{LOGIN}", "recovery_code": TITLE, "new_password": NEW_PASSWORD}
    app.post("/v1/recoveries/code", json=code)
    app.post("/v1/recoveries/code", json={**code, "recovery_code": "000G4-0R40M-30E20-9185G-R38E1-W"})
    again = app.post("/v1/sessions", json={"login": f"y-{LOGIN}", "password": NEW_PASSWORD}).json()["token"]
    with connect(vault, again) as http:
        http.post("/v1/me/recovery-code", json={"password": PASSWORD})
        kept = http.post("/v1/me/recovery-code", json={"password": NEW_PASSWORD}).json()["recovery_code"]
        http.delete(begun.headers["Location"])
        http.delete(path)
        http.request("DELETE", "/v1/me", json={"password": PASSWORD})
        http.request("DELETE", "/v1/me", json={"password": NEW_PASSWORD})
    app.close()
    in_a_browser = go_through_the_page(vault)
    return [
        vault.app_key, token, again, in_a_browser, one_time["one_time_password"], kept,
        begun.json()["verification_phrase"],
    ]  # fmt: skip


def go_through_the_page(vault: Vault) -> str:
    """The same on the user's page; the token of its cookie."""
    with httpx.Client(base_url=vault.api_url, headers={"Origin": vault.api_url}, timeout=30) as http:
        login = {"login": f"z-{LOGIN}"}
        new = {"new_password": PASSWORD, "again": PASSWORD}
        up = {**login, **new, "attempt": str(new_uuid()), "understood": "true"}
        http.post("/me/password-advice", json={"password": PASSWORD, "login": LOGIN})
        http.post("/me/sign-up", data={**up, "attempt": TITLE})
        assert http.post("/me/sign-up", data=up).status_code == httpx.codes.SEE_OTHER
        http.post("/me/sign-in", data={**login, "password": NEW_PASSWORD})
        cookie = (
            http.post("/me/sign-in", data={**login, "password": PASSWORD}).headers["Set-Cookie"].split(";")[0]
        )
        token = cookie.partition("=")[2]
        http.headers["Cookie"] = cookie  # a browser sends it to localhost by clear text, this client does not
        of_form = {"csrf_token": Visitor(SessionToken.parse(token)).csrf_token}
        entry = {"attempt": str(new_uuid()), "collection": "contact", "name": ["full_name", "phone"]}
        values = {"value": [NAME, PHONE], "kind": ["text", "text"]}
        http.post("/me/entries", data={**of_form, **entry, **values})
        http.post("/me/entries", data={**of_form, **entry, "name": TITLE, "value": NAME, "kind": "json"})
        for path in ("", "accesses", "receipts", "export", "account", TITLE, f"recoveries?case_id={TITLE}"):
            http.get(f"/me/{path}")
        http.post("/me/recover", data={**login, **of_form, **new, "attempt": str(new_uuid())})
        http.post("/me/login", data={**of_form, "password": PASSWORD, "login": f"zz-{LOGIN}"})
        change = {"password": PASSWORD, "new_password": NEW_PASSWORD, "again": NEW_PASSWORD}
        assert http.post("/me/password", data={**of_form, **change}).status_code == httpx.codes.SEE_OTHER
    return token

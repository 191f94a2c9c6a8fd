"""Five hundred hostile strings in every field of /me, in a real browser; and what other sites try there."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.api.face import client_of
from tests.browser.elsewhere import Elsewhere, running_elsewhere
from tests.browser.hostile_in_bulk import grave, markup_of, watch
from tests.browser.served import Console
from tests.browser.served_user_page import ServedUserPage, served_user_page
from tests.rig.vault import PASSWORD
from tests.web.hostile import HOSTILE
from vault_service.api.user_page.services import Visitor
from vault_service.domain.ids import new_uuid
from vault_service.domain.tokens import SessionToken

KEPT = [each for each in HOSTILE if "\0" not in each]  # records hold no NUL
_TYPE_THEM_ALL = """
(words) => {
    const form = document.querySelector('form[action="/me/entries"]');
    const add = (name, value) => {
        const field = document.createElement("textarea");
        field.name = name;
        field.value = value;
        form.append(field);
    };
    form.elements.collection.value = words[0];
    words.forEach((word, at) => {
        add("name", `${at} ${word}`);
        add("value", word);
        add("kind", at % 2 ? "json" : "text");
    });
    form.submit();
}"""


@pytest.fixture(scope="module")
def user_page(console: Console) -> Iterator[ServedUserPage]:
    with served_user_page(console.vault) as served:
        yield served


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """An attacker's site."""
    with running_elsewhere() as running:
        yield running


def token_of(page: Page) -> SessionToken:
    (cookie,) = [each["value"] for each in page.context.cookies() if each["name"] == "__Host-me"]
    return SessionToken.parse(cookie)


def main_of(page: str) -> str:
    """Without the frame around it, which holds nothing that was typed."""
    return page[page.index("<main") : page.rindex("</main>")]


def test_five_hundred_hostile_entries_run_nowhere(user_page: ServedUserPage, page: Page) -> None:
    """As they are typed, refused, kept, shown, and shown beside what stands there now."""
    user_page.enter(page)
    token, records = token_of(page), user_page.services.records
    dialogs = watch(page)
    page.goto(f"{user_page.url}/me/entries/new")
    with page.expect_navigation():
        page.evaluate(_TYPE_THEM_ALL, KEPT)
    assert page.locator("textarea[name=value]").count() > len(KEPT)  # none is JSON: all come back
    assert grave(page, "/me") == []

    made = [
        records.create(token, "note", json.dumps({f"{at} {word}": word for at, word in part}).encode())[0]
        for part in (list(enumerate(KEPT))[at::5] for at in range(5))
    ]
    page.goto(f"{user_page.url}/me/")
    assert page.locator("main dl > div").count() == len(KEPT)
    assert grave(page, "/me") == []
    for record in made[:2]:
        page.goto(f"{user_page.url}/me/entries/{record.record}")
        assert grave(page, "/me") == []
    records.patch(token, made[1].record, b'{"other": "now"}', made[1].version)
    page.get_by_role("button", name="Save it").click()
    expect(page.locator("main")).to_contain_text("What stands there now")
    page.wait_for_load_state()
    assert grave(page, "/me") == []
    assert dialogs == []


def test_whatever_is_typed_anywhere_comes_back_as_text(
    user_page: ServedUserPage, page: Page, new_page: Callable[..., Page]
) -> None:
    """The browser's parser sees the same elements and attributes as with a harmless word, in every form."""
    user_page.enter(page)
    token, origin = token_of(page), user_page.url.replace("http:", "https:")
    http = client_of(user_page.app)
    stranger = client_of(user_page.app)
    http.set_cookie("__Host-me", token.reveal(), domain="localhost")
    csrf = {"csrf_token": Visitor(token).csrf_token}

    def send(path: str, **typed: object) -> str:
        answer = http.post(path, data=csrf | typed, base_url=origin, headers={"Origin": user_page.url})
        return main_of(answer.text)

    def forms(word: str) -> list[str]:
        attempt, new = str(new_uuid()), {"new_password": PASSWORD, "again": PASSWORD}
        return [
            send("/me/sign-up", login=word[:300] or "-", attempt=attempt, **new),
            send("/me/entries", attempt=attempt, collection=word[:100], name="", value="x", kind="text"),
            main_of(stranger.get("/me/recoveries", query_string={"case_id": word[:100].strip() or "-"}).text),
        ]

    def contact(*words: str) -> str:
        fields = {"name": ["full_name", "phone", "email", "address", "phone"], "kind": ["text"] * 5}
        return send("/me/entries", attempt=new_uuid(), collection="contact", value=list(words), **fields)

    empty = new_page()
    harmless, *answers = [forms(word) for word in ("harmless", *HOSTILE)]
    for of_one_form, of_none in zip(zip(*answers, strict=True), harmless, strict=True):
        assert set(markup_of(empty, of_one_form)) == set(markup_of(empty, [of_none]))
    short = [each for each in KEPT if each.strip() and len(each) < 60 and "\n" not in each]
    contacts = [contact(*short[at : at + 4], "x") for at in range(0, len(short) - 4, 4)]
    assert set(markup_of(empty, contacts)) == set(markup_of(empty, [contact(*["harmless"] * 5)]))


def test_nothing_is_seen_after_signing_out_by_going_back(user_page: ServedUserPage, page: Page) -> None:
    """Not in the browser's cache, and not in the page that it keeps for going back."""
    user_page.enter(page)
    user_page.services.records.create(token_of(page), "note", b'{"title": "of nobody else"}')
    for path in ("entries/new", "account", ""):
        page.goto(f"{user_page.url}/me/{path}")
    expect(page.locator("main")).to_contain_text("of nobody else")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/me/sign-in?said=signed-out")

    for _ in range(3):
        page.go_back()
        assert page.url.startswith(f"{user_page.url}/me/sign-in")
        assert "of nobody else" not in page.content()


KINDS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another site", "a neighbour"])
def test_another_sites_forms_and_frames_do_nothing_and_show_nothing(
    user_page: ServedUserPage, page: Page, elsewhere: Elsewhere, host: str
) -> None:
    """A neighbour's have the cookie with them, and can say what a form says but for its token."""
    user_page.enter(page)
    before = len(user_page.services.accounts.accesses(token_of(page), 100, None).items)
    for kind in KINDS:
        elsewhere.page = (
            f"<title>x</title><form method=post action='{user_page.url}/me/erase' enctype='{kind}'>"
            f"<input name=password value='{PASSWORD}'><input name=certain value=true></form>"
            "<script>document.forms[0].submit()</script>"
        )
        with page.expect_response(f"{user_page.url}/me/erase") as answer:
            page.goto(f"{elsewhere.url.replace('127.0.0.1', host)}/", wait_until="commit")
        assert answer.value.status == 403, kind
        page.wait_for_url(f"{user_page.url}/me/erase")
    elsewhere.page = "<title>x</title>" + "".join(
        f"<iframe src='{user_page.url}/me/{path}'></iframe><img src='{user_page.url}/me/{path}'>"
        for path in ("", "export", "receipts", "accesses")
    )
    page.goto(f"{elsewhere.url.replace('127.0.0.1', host)}/", wait_until="networkidle")

    for frame in page.frames[1:]:
        frame.wait_for_url("chrome-error://chromewebdata/", wait_until="commit")
    seen = user_page.services.accounts.accesses(token_of(page), 100, None).items
    assert len(seen) == before + 1, "only that this list was looked at"
    assert page.goto(f"{user_page.url}/me/").url == f"{user_page.url}/me/"  # type: ignore[union-attr]  # a page always answers

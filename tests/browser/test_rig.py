"""The tests' own tools: a console that a browser reaches, and an axe that cuts."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.chromium import Authenticator, axe, shot
from tests.browser.officers import Officer
from tests.browser.served import Console


def test_a_browser_reaches_the_console(console: Console, page: Page) -> None:
    answer = page.goto(f"{console.url}/nothing-here")

    assert answer is not None
    assert answer.status == 404
    assert page.locator("h1").count() == 1
    assert axe(page) == []
    assert shot(page, "error").stat().st_size > 1000


def test_axe_finds_a_field_without_a_label(page: Page) -> None:
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><input></main>")

    assert any(each.startswith("label:") for each in axe(page))


def test_a_virtual_passkey_derives_a_key_only_where_it_can(
    console: Console, new_page: Callable[..., Page]
) -> None:
    for prf in (True, False):
        page = new_page()
        Authenticator.of(page, prf=prf)
        page.goto(f"{console.url}/nothing-here")

        derived = page.evaluate(
            """async () => {
                const made = await navigator.credentials.create({publicKey: {
                    rp: {id: 'localhost', name: 'tests'}, challenge: new Uint8Array(32),
                    user: {id: new Uint8Array(16), name: 'somebody', displayName: 'somebody'},
                    pubKeyCredParams: [{type: 'public-key', alg: -7}],
                    authenticatorSelection: {residentKey: 'required', userVerification: 'required'},
                    extensions: {prf: {eval: {first: new Uint8Array(32)}}},
                }});
                return made.getClientExtensionResults().prf?.results?.first?.byteLength ?? 0;
            }"""
        )

        assert derived == (32 if prf else 0)


def test_officers_have_passkeys_that_the_manifest_names(
    console: Console, officers: dict[str, Officer]
) -> None:
    dora, fay = officers["dora"], officers["fay"]

    assert dora.sign_in().url == f"{console.url}/"
    assert dora.key_file == b""
    assert fay.key_file != b""
    assert dora.sign_out().url != f"{console.url}/"

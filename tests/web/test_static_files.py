"""Style and scripts: their names change with their content, so that they may be kept for ever."""

import re

import pytest
from flask.testing import FlaskClient

from vault_service.web.static_files import StaticFiles


def test_a_page_names_files_that_there_are_and_may_be_kept(nobody: FlaskClient) -> None:
    page = nobody.get("/sign-in").text

    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) >= 4
    for address in addresses:
        answer = nobody.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    "name", ["vault.css", "vault.000000000000.css", "..%2fsite.py", "%2e%2e/site.py", "../site.py", "", "."]
)
def test_there_is_nothing_else(nobody: FlaskClient, name: str) -> None:
    answer = nobody.get(f"/static/{name}")

    assert answer.status_code in {303, 404}
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_script_that_changes_changes_the_names_of_those_that_import_it() -> None:
    """Otherwise a browser would take the new one together with an old one that it has kept."""
    first, second = (
        StaticFiles.linking({"a.js": b'import { b } from "./b.js";', "b.js": content})
        for content in (b"1", b"2")
    )

    assert first.content["a.js"] == f'import {{ b }} from "./{first.address("b.js")}";'.encode()
    assert first.address("a.js") != second.address("a.js")


@pytest.mark.parametrize(
    "line", ['import "./b.js";', "export * from './b.js'", 'await import("./b.js")', 'import{b}from"./b.js"']
)
def test_every_way_to_import_is_led_to_the_address(line: str) -> None:
    made = StaticFiles.linking({"a.js": line.encode(), "b.js": b""})

    assert made.content["a.js"] == line.replace("b.js", made.address("b.js")).encode()


def test_an_import_that_leads_nowhere_or_in_a_circle_is_noticed_at_the_start() -> None:
    with pytest.raises(KeyError):
        StaticFiles.linking({"a.js": b'import "./gone.js"'})
    with pytest.raises(ValueError, match="import each other"):
        StaticFiles.linking({"a.js": b'import "./b.js"', "b.js": b'import "./a.js"'})


def test_two_files_of_one_name_are_noticed_at_the_start() -> None:
    """Pages ask by name: the later one would be served to both."""
    with pytest.raises(ValueError, match="two packages"):
        StaticFiles.of("vault_service.web", "vault_service.web")

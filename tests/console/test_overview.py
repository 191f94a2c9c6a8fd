"""The overview pages, as an officer's browser gets them from a real vault."""

from collections.abc import Iterator

import pytest

from tests.console.desk import Browser, Desk

PAGES = ("/", "/officers", "/rotations", "/alerts", "/activity", "/activity?days=30", "/health")


@pytest.fixture(scope="module")
def dora(desk: Desk) -> Browser:
    return desk.signed_in("dora")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown(dora: Browser, path: str) -> None:
    response = dora.get(path)

    assert response.status_code == 200, response.text
    open("/tmp/e_pages/" + path.strip("/").replace("?", "_") + ".html", "w").write(response.text)

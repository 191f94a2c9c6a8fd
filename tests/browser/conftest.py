"""One vault, one console and one browser for all tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import new_context, running_chromium
from tests.browser.served import Console, served_console
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import running_vault


# Of the folder, not of the session: Playwright leaves an event loop running in this thread for as long as
# it lives, and other tests could not begin one of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def console(scratch: Path, postgres: TestServer) -> Iterator[Console]:
    """The console of a vault of these tests' own."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / keys.name, keys, records, forked=True) as vault,
        served_console(vault) as served,
    ):
        yield served


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Makes pages, each in a browser context of its own, which nobody has signed in to."""
    made: list[Page] = []

    def make(**options: object) -> Page:
        made.append(new_context(chromium, **options).new_page())  # type: ignore[arg-type]  # passed on
        return made[-1]

    yield make
    for page in made:
        page.context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One of them."""
    return new_page()

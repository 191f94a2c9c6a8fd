"""One vault, one console and one browser for all tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import new_context, running_chromium
from tests.browser.officers import Officer, make_officer, name_in_manifest
from tests.browser.served import Console, served_console
from tests.rig.postgres import TestServer
from tests.rig.vault import vault_of_its_own


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
        vault_of_its_own(scratch, postgres) as vault,
        served_console(vault) as served,
    ):
        yield served


@pytest.fixture(scope="package")
def officers(console: Console, chromium: Browser) -> Iterator[dict[str, Officer]]:
    """dora and emil, whose passkeys derive keys, and fay, whose does not; the others have key files."""
    made = [make_officer(console, chromium, name, prf=name != "fay") for name in ("dora", "emil", "fay")]
    name_in_manifest(console, *(card for _, card in made))
    yield {officer.name: officer for officer, _ in made}
    for officer, _ in made:
        officer.page.context.close()


@pytest.fixture
def officer_page(officers: dict[str, Officer]) -> Callable[[str], Page]:
    """An officer's own page, by name; signed in, at the first page of the console."""
    return lambda name: officers[name].sign_in()


@pytest.fixture
def dora(officers: dict[str, Officer]) -> Officer:
    """Signed in, at the first page."""
    officers["dora"].sign_in()
    return officers["dora"]


@pytest.fixture
def emil(officers: dict[str, Officer]) -> Officer:
    """Another one, likewise."""
    officers["emil"].sign_in()
    return officers["emil"]


@pytest.fixture
def fay(officers: dict[str, Officer]) -> Officer:
    """Likewise; her passkey derives no key, so she keeps a key file."""
    officers["fay"].sign_in()
    return officers["fay"]


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

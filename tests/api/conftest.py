"""The face with routes of the tests' own, and the whole API as a process before the whole vault."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from flask.testing import FlaskClient

from tests.api.face import NO_SERVICES, ROUTES, client_of
from tests.api.live import Person, connect, new_person
from tests.rig.vault import Vault
from vault_service.api.app import create_app


@pytest.fixture
def face() -> FlaskClient:
    """A client of an application that serves the routes of tests/api/face.py."""
    return client_of(create_app(NO_SERVICES, routes=ROUTES))


@pytest.fixture(scope="session")
def app(served: Vault) -> Iterator[httpx.Client]:
    """Somebody with the app's key."""
    with connect(served, served.app_key) as client:
        yield client


@pytest.fixture
def someone(served: Vault, app: httpx.Client) -> Iterator[Callable[[], Person]]:
    """Makes people, signed in."""
    people: list[Person] = []

    def make() -> Person:
        people.append(new_person(served, app))
        return people[-1]

    yield make
    for person in people:
        person.http.close()


@pytest.fixture
def ana(someone: Callable[[], Person]) -> Person:
    """Somebody, signed in."""
    return someone()

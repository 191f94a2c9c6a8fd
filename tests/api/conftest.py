"""The face with routes of the tests' own: what holds for these holds for all routes."""

import pytest
from flask.testing import FlaskClient

from tests.api.face import NO_SERVICES, ROUTES, client_of
from vault_service.api.app import create_app


@pytest.fixture
def face() -> FlaskClient:
    """A client of an application that serves the routes of tests/api/face.py."""
    return client_of(create_app(NO_SERVICES, routes=ROUTES))

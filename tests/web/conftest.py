"""The toy site, once a test."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.toy import Notes, browser, toy


@pytest.fixture
def notes() -> Notes:
    """What the site has taken."""
    return Notes()


@pytest.fixture
def app(notes: Notes) -> Flask:
    """The site."""
    return toy(notes)


@pytest.fixture
def ana(app: Flask) -> FlaskClient:
    """Ana's browser, signed in."""
    return browser(app)


@pytest.fixture
def nobody(app: Flask) -> FlaskClient:
    """A browser that holds no session."""
    return browser(app, None)

"""The API keeps to its own OpenAPI document, whatever is sent to it (schemathesis)."""

from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.live import Person
from tests.rig.vault import Vault
from vault_service.api.openapi import describe_api
from vault_service.api.routes import ROUTES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# These would end the session that the others need, or wait for Argon2 each time.
ENDING = {"sign_out", "sign_out_everywhere", "end_session", "erase", "change_password"}

schema = schemathesis.openapi.from_dict(describe_api(ROUTES))


@pytest.fixture
def by_scheme(served: Vault, ana: Person) -> dict[str | None, str]:
    return {
        "app_key": f"Bearer {served.app_key}",
        "session": str(ana.http.headers["Authorization"]),
        None: "",
    }


WHO = {route.name: route.who.scheme for route in ROUTES}


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_answer_is_one_that_the_document_describes(
    case: Any, served: Vault, by_scheme: dict[str | None, str]
) -> None:
    name = case.operation.definition.raw["operationId"]
    authorization = "Bearer vss_nobody" if name in ENDING else by_scheme[WHO[name]]

    # The server itself refuses longer addresses, before they reach the application.
    assume(len(case.as_transport_kwargs(base_url=served.api_url)["url"]) < 50_000)
    assume(len(urlencode(case.query or {}, doseq=True)) < 50_000)

    case.call_and_validate(
        base_url=served.api_url, headers={"Authorization": authorization}, checks=CHECKS, timeout=30
    )

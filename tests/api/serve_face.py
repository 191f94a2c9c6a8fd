"""A program: the tests' own routes on the real server, with one that waits for the test.

    python -m tests.api.serve_face SETTINGS.json

`GET /wait` answers when somebody has written to the named pipe $WAIT_FOR. A request has $ARRIVE_WITHIN_S
to arrive.
"""

import os
import sys
from http import HTTPStatus
from pathlib import Path

from flask import Flask

from tests.api.face import NO_SERVICES, ROUTES, Id
from vault_service.api.app import create_app
from vault_service.api.route import Call, Gives, Nothing, Reply, route
from vault_service.api.who import ANYBODY
from vault_service.domain.ids import new_uuid
from vault_service.logs import configure_logging
from vault_service.settings import Api
from vault_service.web import server
from vault_service.web.listening import reached_by_tls


@route("GET", "/wait", who=ANYBODY, takes=Nothing, gives=Gives(HTTPStatus.OK, Id, "Waited."))
def wait(call: Call[None, Nothing]) -> Reply:
    """Wait until the test says to go on."""
    del call
    Path(os.environ["WAIT_FOR"]).read_bytes()
    return Reply(HTTPStatus.OK, Id(new_uuid()))


def main() -> None:
    api = Api.model_validate_json(Path(sys.argv[1]).read_bytes())
    configure_logging()
    if arrive_within := os.environ.get("ARRIVE_WITHIN_S"):
        vars(server).update(_HEAD_WITHIN_S=float(arrive_within), _WHOLE_WITHIN_S=float(arrive_within))

    def load() -> Flask:
        configure_logging()
        return create_app(NO_SERVICES, https=reached_by_tls(api), routes=(*ROUTES, wait))

    server.serve(api, load, name="api")


if __name__ == "__main__":
    main()

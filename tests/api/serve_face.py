"""A process: the tests' own routes on the real server, with one that waits for the test.

`GET /wait` answers when somebody has written to the named pipe $WAIT_FOR.
"""

import os
from http import HTTPStatus
from pathlib import Path

from flask import Flask

from tests.api.face import NO_SERVICES, ROUTES, Id
from tests.rig.forked import become
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


def serve_face(api: Api, folder: Path, arrive_within_s: float | None = None) -> None:
    """What it says goes to FOLDER/log; the pipe is FOLDER/go. A request has so long to arrive."""
    become({**os.environ, "WAIT_FOR": str(folder / "go")}, folder / "log")
    configure_logging()
    if arrive_within_s is not None:
        vars(server).update(_HEAD_WITHIN_S=arrive_within_s, _WHOLE_WITHIN_S=arrive_within_s)

    def load() -> Flask:
        configure_logging()
        return create_app(NO_SERVICES, https=reached_by_tls(api), routes=(*ROUTES, wait))

    server.serve(api, load, name="api")

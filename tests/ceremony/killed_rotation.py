"""A ceremony that dies around a page of a rotation, as kill -9 would have it, with its children at work."""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tests.rig.forked import FORKS, Forked

Moment = Literal["before", "after"]


@dataclass(frozen=True)
class Death:
    """Around which call of the key service: the n-th of this kind."""

    call: str
    number: int
    moment: Moment


def dying_ceremony(environment: Mapping[str, str], log: Path, death: Death) -> Forked:
    return Forked(FORKS.Process(target=_run, args=(dict(environment), log, death)))


def _run(environment: dict[str, str], log: Path, death: Death) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    from tests.ceremony.rotations import IN_CHILDREN
    from vault_service.bootstrap.ceremony import build_ceremony
    from vault_service.ceremony.process import Ceremony
    from vault_service.kms.client import KmsClient
    from vault_service.settings import load_settings

    real, calls = KmsClient.call, itertools.count(1)

    def call(client: KmsClient, request: Any, answer: Any) -> Any:
        number = next(calls) if request.name == death.call else 0
        if number == death.number and death.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        told = real(client, request, answer)
        if number == death.number:
            os.kill(os.getpid(), signal.SIGKILL)
        return told

    KmsClient.call = call  # type: ignore[method-assign,assignment]  # the real one, and then death
    parts = replace(build_ceremony(load_settings()), look_every_s=0.02, resealing=IN_CHILDREN)
    Ceremony(parts, threading.Event()).run(wait_s=20)

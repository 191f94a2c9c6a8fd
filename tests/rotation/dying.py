"""A process that takes batches and dies at a chosen place, or whose clock is wrong; see rig/forked.py."""

import datetime
import functools
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.rig.forked import FORKS, Forked, become
from tests.rig.vault import Vault

PLACES = (
    "before a batch is asked for", "after a batch was done", "before a turn is taken",
    "while jobs are handed out", "after a rotation was finished",
)  # fmt: skip


def rotation_worker(vault: Vault, log: Path, *, dies: str = "", at: int = 1, ahead_s: float = 0.0) -> Forked:
    """`dies`: one of PLACES, at its n-th time; `ahead_s`: how far its clock is ahead of everybody's."""
    return Forked(FORKS.Process(target=_serve, args=(vault.environment, log, dies, at, ahead_s)))


def _serve(environment: dict[str, str], log: Path, dies: str, at: int, ahead_s: float) -> None:
    from vault_service.bootstrap.rotation import serve_rotation
    from vault_service.settings import load_settings

    become(environment, log)
    if ahead_s:
        _move_clock(ahead_s)
    if dies:
        _arm(dies, at)
    serve_rotation(load_settings(), at_once=1, metrics_port=None)


def _move_clock(ahead_s: float) -> None:
    from procrastinate import utils

    real, now = time.time, utils.utcnow
    time.time = lambda: real() + ahead_s
    utils.utcnow = lambda: now() + datetime.timedelta(seconds=ahead_s)


def _arm(dies: str, at: int) -> None:
    from vault_service.kms.client import KmsClient
    from vault_service.kms.protocol.rotation_messages import FinishRotation, RewrapBatch
    from vault_service.rotation import jobs
    from vault_service.storage.keys import rotation_plans

    numbers = itertools.count(1)

    def step() -> None:
        if next(numbers) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            done = function(*args, **kwargs)
            if done:
                step()
            return done

        return wrapper

    real = KmsClient.call

    def call(self: KmsClient, request: Any, answer: Any) -> Any:
        if dies == PLACES[0] and isinstance(request, RewrapBatch):
            step()
        done = real(self, request, answer)
        if dies == PLACES[1] and isinstance(request, RewrapBatch):
            step()
        if dies == PLACES[4] and isinstance(request, FinishRotation):
            step()
        return done

    KmsClient.call = call  # type: ignore[method-assign]
    if dies == PLACES[2]:
        jobs.take_turn = after(jobs.take_turn)  # type: ignore[attr-defined]
    if dies == PLACES[3]:
        rotation_plans.hand_out = after(rotation_plans.hand_out)

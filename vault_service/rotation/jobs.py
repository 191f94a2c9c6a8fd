"""One job of a rotation: have the key service rewrap the wraps of a range of users.

What a job says is not trusted, since whoever has the worker's role can write one: it names a rotation and a
range, and the key service judges by its own tables what of it is to be done, if anything. A range that is
done twice is found done.

A job that cannot be done now stays with its worker, which tries again for as long as it takes: while the key
service, its token or the database is away nothing else of its lane could be done either. What fails for
another reason goes behind the others of its lane after a few tries, and holds up nobody.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
import structlog
from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from vault_service.domain.errors import UnavailableError, VaultError
from vault_service.domain.rotation_errors import NoRotationError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import BatchRewrapped, RewrapBatch
from vault_service.logs import describe
from vault_service.storage.keys.rotation_plans import HELD_UNTIL, TASK, take_turn
from vault_service.storage.pool import Database

_log = structlog.get_logger("rotation")
_TRIES = 4  # of what fails although every part is there
_FIRST_WAIT_S, _MOST_S = 0.2, 10.0
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)  # "at once" by any clock: this worker's may be wrong


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a job says: the users whose id is above `after` and at most `upto`."""

    rotation: UUID
    after: UUID
    upto: UUID


class NotAJobError(Exception):
    """It says something else than a range; it is dropped."""


class HeldError(Exception):
    """Its rotation is paused: it waits for that to end (plan.py)."""


class FailedError(Exception):
    """It failed again and again; the others of its lane go first."""


class GoOn(BaseRetryStrategy):
    """A job that was begun goes back to the queue, whatever became of it: for ever, but for what is none."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """At once, behind the others if it failed; None for what is no job."""
        if isinstance(exception, NotAJobError):
            return None
        if isinstance(exception, HeldError):
            return RetryDecision(retry_at=HELD_UNTIL)
        behind = -min(job.attempts + 1, 1000) if isinstance(exception, FailedError) else None
        return RetryDecision(retry_at=_LONG_AGO, priority=behind)


@dataclass(frozen=True, slots=True)
class Batches:
    """Does jobs, for any number of them at once."""

    db: Database
    kms: KmsClient
    users: int  # in a batch
    failed: Callable[[str], object] = lambda _: None  # told the code of each failure

    def register(self, app: App) -> None:
        """Let the queue know how a job is done."""
        app.task(name=TASK, retry=GoOn())(self._do)

    async def _do(self, **said: object) -> None:
        """Raises what GoOn decides on."""
        try:
            batch = msgspec.convert(said, Range)
        except msgspec.ValidationError:
            _log.error("rotation.not_a_job")
            raise NotAJobError from None
        wait, tries = _FIRST_WAIT_S, 0
        while True:
            try:
                return await self._once(batch)
            except NoRotationError:
                return None  # it ended, and with it the job
            except HeldError:
                raise
            except UnavailableError as error:
                self._tell(error, tries)
            except Exception as error:  # noqa: BLE001  # a defect waits as well: else it spins, and unseen
                self._tell(error, tries)
                if tries >= _TRIES:
                    raise FailedError from None
            tries += 1
            await asyncio.sleep(wait)
            wait = min(_MOST_S, wait * 2)

    async def _once(self, batch: Range) -> None:
        state, turn = await asyncio.to_thread(self._take_turn, batch.rotation)
        if state == "running":
            await asyncio.sleep(turn)
            request = RewrapBatch(batch.rotation, batch.after, batch.upto)
            state = (await asyncio.to_thread(self.kms.call, request, BatchRewrapped)).state
        if state == "paused":
            raise HeldError

    def _take_turn(self, rotation: UUID) -> tuple[str, float]:
        with self.db.transaction() as conn:
            return take_turn(conn, rotation, self.users)

    def _tell(self, error: Exception, tries: int) -> None:
        if isinstance(error, VaultError):
            self.failed(error.code)
            if tries == 0:
                _log.warning("rotation.batch_waits", code=error.code)
            return
        self.failed(type(error).__name__)
        if tries == 0:
            _log.error("rotation.batch_broke", **describe(error))

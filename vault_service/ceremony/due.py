"""Which cases a ceremony is for: those that are due, the ones that can be executed first.

A note has room for so many cases, and anybody can cause more: an app's user asks for access in the name of
everybody whose login is known, an officer opens drills, whoever can write to the keys database plants rows.
Therefore a case that enough officers have approved, by this process's own judgement, comes before one that
waits for them; and what was found unfit, here or by the key service, is not looked at again for a while.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import structlog

from vault_service.ceremony.believed import BelievedCase, believe_case, demand_due, judge_believed
from vault_service.ceremony.parts import CeremonyParts
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.errors import IntegrityError, VaultError
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CaseNotFoundError,
    CaseRefusedError,
    NotDueError,
)
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.ceremony_cases import decisions_on, due_cases, is_any_due

_log = structlog.get_logger("ceremony")

MOST_CASES = 500  # a note; the message's limit
_MOST_LOOKED_AT = 5000  # due cases a look, the oldest; the next ones once these are served or left out
_ASK_AGAIN_S = 30.0  # after a refusal that may pass
_NOT_DUE_FIRST_S = 1.0  # witnesses' clocks and ticks end a second or two after ours; doubled each time
_REFUSED_FOR_S = 3600.0  # one that was altered must not have a note made anew again and again
_UNFIT = frozenset({CaseRefusedError.code, CaseClosedError.code, CaseNotFoundError.code, IntegrityError.code})
"""What is a case's own fault and will not pass; any other refusal is asked about again soon."""

_Rank = tuple[bool, int]  # whether it has a quorum, how many approvals


@dataclass
class DueCases:
    """One process's view; it remembers what it has left out, in memory only."""

    parts: CeremonyParts
    _left_out: dict[CaseId, float] = field(default_factory=dict[CaseId, float])  # until when, monotonic
    _not_due: dict[CaseId, int] = field(default_factory=dict[CaseId, int])  # how often that was the answer
    _ranks: dict[CaseId, tuple[tuple[SignedDecision, ...], int, _Rank]] = field(
        default_factory=dict[CaseId, tuple[tuple[SignedDecision, ...], int, _Rank]]
    )

    def there_are(self, *, beside: Collection[CaseId] = ()) -> bool:
        """Others than those, by our own clock; whether one of them is to be believed shows next."""
        left_out = [*self._still_left_out(), *beside]
        with self.parts.db.connection() as conn:
            return is_any_due(conn, self.parts.now(), left_out)

    def believed(self, chain: Chain) -> dict[CaseId, BelievedCase]:
        """As many as a note may list, in the order in which they are to be executed."""
        while True:
            left_out, now = self._still_left_out(), self.parts.now()
            with self.parts.db.connection() as conn:
                rows = due_cases(conn, now, left_out, _MOST_LOOKED_AT)
            found: list[BelievedCase] = []
            for row in rows:
                try:
                    each = believe_case(row, chain)
                    demand_due(each, self.parts.policies, now)
                except VaultError as error:
                    self.leave_out(row.case, error.code)
                else:
                    found.append(each)
            if found or len(rows) < _MOST_LOOKED_AT:
                return {each.row.case: each for each in self._first(found, chain)}

    def leave_out(self, case: CaseId, code: str) -> None:
        """Not to be asked for again for a while; how long is told by the error's code."""
        self._leave_out(case, code, self._wait_s(case, code))

    def _wait_s(self, case: CaseId, code: str) -> float:
        if code == NotDueError.code:
            times = self._not_due[case] = self._not_due.get(case, 0) + 1
            return min(_ASK_AGAIN_S, _NOT_DUE_FIRST_S * 2.0 ** min(times - 1, 10))
        return _REFUSED_FOR_S if code in _UNFIT else _ASK_AGAIN_S

    def leave_out_all(self, cases: Collection[CaseId], code: str) -> None:
        """The key service says why it refuses the first: why another one is refused may pass soon."""
        for case in cases:
            if len(cases) == 1 or code == NotDueError.code:
                self.leave_out(case, code)
            else:
                self._leave_out(case, code, _ASK_AGAIN_S)

    def _leave_out(self, case: CaseId, code: str, seconds: float) -> None:
        self._left_out[case] = time.monotonic() + seconds
        _log.warning("ceremony.left_out", case_id=str(case), code=code)

    def _still_left_out(self) -> list[CaseId]:
        moment = time.monotonic()
        self._left_out = {case: until for case, until in self._left_out.items() if until > moment}
        return list(self._left_out)

    def _first(self, cases: list[BelievedCase], chain: Chain) -> Sequence[BelievedCase]:
        """Who has a quorum, then who is nearest to one, then the oldest; judged only where it matters."""
        if len(cases) <= MOST_CASES:
            self._ranks.clear()
            return cases
        with self.parts.db.connection() as conn:
            decisions = decisions_on(conn, [each.row.case for each in cases])
        ranks = {each.row.case: self._rank(each, decisions[each.row.case], chain) for each in cases}
        first = sorted(cases, key=lambda each: ranks[each.row.case], reverse=True)[:MOST_CASES]
        return sorted(first, key=lambda each: (each.row.opened_at, each.row.case))

    def _rank(self, each: BelievedCase, decisions: tuple[SignedDecision, ...], chain: Chain) -> _Rank:
        """Anew only when a decision was added or the officers changed: it is four looks a second."""
        known = self._ranks.get(each.row.case)
        if known is not None and known[:2] == (decisions, chain.newest.serial):
            return known[2]
        judgement = judge_believed(each, decisions, chain.newest, self.parts.policies)
        approvals = 0 if judgement.vetoed_by else len(judgement.approved_by)
        rank = (judgement.has_quorum, approvals)
        self._ranks[each.row.case] = (decisions, chain.newest.serial, rank)
        return rank

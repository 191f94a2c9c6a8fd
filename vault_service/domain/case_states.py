"""What becomes of a case. One state machine for every kind:

    open ──────▶ executing ──────▶ executed       a ceremony peels it; its result is committed
      ▲              │
      └──────────────┘                            the ceremony died: its note has expired
    open ──────▶ cancelled                        by the user, by a login with the old password, because
                                                  another case of the same user was executed
    open ──────▶ vetoed                           by one officer
    open ──────▶ expired                          nobody decided in time

- Every move is one compare-and-set in one transaction with its audit event; of several at once one wins.
- A case is executed at most once: nothing leads out of executed, cancelled, vetoed or expired.
- "Approved" is not a state. A word in a table is what a superuser can write; whether enough officers
  agree is told from their signatures each time it matters (crypto/approvals.py).
- While executing, a case can no longer be cancelled: the DEK is on its way, for seconds.
"""

from typing import Literal

CaseState = Literal["open", "executing", "executed", "cancelled", "vetoed", "expired"]

MOVES: frozenset[tuple[CaseState, CaseState]] = frozenset(
    {
        ("open", "executing"),
        ("executing", "executed"),
        ("executing", "open"),
        ("open", "cancelled"),
        ("open", "vetoed"),
        ("open", "expired"),
    }
)
FINAL: frozenset[CaseState] = frozenset({"executed", "cancelled", "vetoed", "expired"})

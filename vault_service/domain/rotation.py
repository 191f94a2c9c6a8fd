"""Key rotation: what kinds there are, and how one rotation of a kind goes.

    running ◀──▶ paused
       │           │
       └─────┬─────┘
             ▼
         finished

- running: batches are taken by workers (escrow: by the children of a ceremony). One of a kind at a time.
- paused: by an operator; nothing is taken, and what was done stays done.
- finished: the census found nothing on an older generation but wraps that do not open, which are listed by
  their users' ids, left as they are and counted in `failed`. A new one does what is left.

A rotation rewrites wraps only, to the generation that is current while it runs. It neither makes a key nor
retires one: the rules of those stand in key_states.py.
"""

from typing import Literal

KeyKind = Literal["escrow", "pepper", "login-index", "case", "note", "audit-signing", "manifest"]
KEY_KINDS: tuple[KeyKind, ...] = (
    "escrow", "pepper", "login-index", "case", "note", "audit-signing", "manifest",
)  # fmt: skip
"""Kinds whose generations the manifest lists."""

OnlineKind = Literal["pepper", "login-index", "case", "note", "audit-signing", "manifest"]
"""Those in the online token: an operator makes and retires them; the escrow key's are the officers'."""

RewrapKind = Literal["escrow", "pepper", "login-index"]
REWRAPPED: tuple[RewrapKind, ...] = ("escrow", "pepper", "login-index")
"""Those that wraps of every user depend on; the others are needed until what they signed or authenticated
has ended, and nothing is rewritten."""

DueKind = Literal[
    "escrow", "pepper", "login-index", "case", "note", "audit-signing", "manifest",
    "data-key", "argon2-cost", "app-key", "officer-shares",
]  # fmt: skip
"""Everything that is rotated, each with a cryptoperiod in policies/rotation.toml."""

RotationState = Literal["running", "paused", "finished"]


def manifest_member(kind: KeyKind) -> str:
    """What a manifest's `keys` call this kind."""
    return kind.replace("-", "_")

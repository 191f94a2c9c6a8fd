"""policies/pages.toml: how long sessions of pages last, and whether users have one of their own."""

from typing import Annotated

import msgspec
from msgspec import Meta

_DAY_S = 86_400


class ConsoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The officers' console."""

    idle_s: Annotated[int, Meta(ge=30, le=3600)]
    absolute_s: Annotated[int, Meta(ge=60, le=_DAY_S)]
    intent_s: Annotated[int, Meta(ge=10, le=115)]  # below officer_proof.GOOD_FOR_S
    invitation_s: Annotated[int, Meta(ge=300, le=14 * _DAY_S)]


class UserPageRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's own page."""

    enabled: bool
    idle_s: Annotated[int, Meta(ge=30, le=_DAY_S)]


class PagePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    console: ConsoleRule
    user_page: UserPageRule

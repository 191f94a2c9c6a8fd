"""policies/pages.toml: how long sessions of pages last, and whether users have one of their own."""

from typing import Annotated

import msgspec
from msgspec import Meta

_DAY_S = 86_400


class AlertRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when on the console's pages warn."""

    drill_soon_days: Annotated[float, Meta(ge=0, le=366)] = 14
    key_soon_days: Annotated[float, Meta(ge=0, le=366)] = 30
    officer_idle_days: Annotated[float, Meta(gt=0, le=3660)] = 90
    case_expires_s: Annotated[float, Meta(ge=0, le=31_536_000)] = _DAY_S
    rotation_quiet_s: Annotated[float, Meta(ge=60, le=_DAY_S)] = 600
    refused_sign_ins: Annotated[int, Meta(ge=1)] = 200  # an hour
    records_read: Annotated[int, Meta(ge=1)] = 10_000  # an hour, by one app


class ConsoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The officers' console."""

    idle_s: Annotated[int, Meta(ge=30, le=3600)]
    absolute_s: Annotated[int, Meta(ge=60, le=_DAY_S)]
    intent_s: Annotated[int, Meta(ge=10, le=115)]  # below officer_proof.GOOD_FOR_S
    invitation_s: Annotated[int, Meta(ge=300, le=14 * _DAY_S)]
    alerts: AlertRule = AlertRule()


class UserPageRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's own page."""

    enabled: bool
    idle_s: Annotated[int, Meta(ge=30, le=_DAY_S)]
    strangers_per_s: Annotated[float, Meta(gt=0, le=1000)] = 5.0  # forms, of each API host
    strangers_burst: Annotated[int, Meta(ge=1, le=10_000)] = 100


class PagePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    console: ConsoleRule
    user_page: UserPageRule

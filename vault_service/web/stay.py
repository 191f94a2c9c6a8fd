"""Before a session ends for want of a click, whoever reads or types is told, and keeps it by a click.

WCAG 2.2, success criterion 2.2.1: nobody loses what they typed to a time limit that they did not see coming.
stay.js tells; a page that is left alone keeps nobody signed in.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from vault_service.web.view import Nothing, S, Told, View, Visit, W


class Left(msgspec.Struct, frozen=True):
    """For stay.js: seconds until the session ends if nobody does anything."""

    left_s: int


def stay(prefix: str, left: Callable[[Any, Any], float]) -> View[S, W]:
    """The address that a site with sessions has. `left`: seconds, of its services and of who is signed in."""

    def keep(visit: Visit[Any, Any, Nothing]) -> Told:
        return Told(Left(int(left(visit.services, visit.who))))

    return View("POST", f"{prefix}/stay", keep)

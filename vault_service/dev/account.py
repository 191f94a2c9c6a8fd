"""What somebody who typed `make run` sees: a line a step, with a spinner on a terminal."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

_SLOW_S = 0.5  # faster steps need no time beside them


class Account:
    """Tells what is being done."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, doing: str) -> Generator[None]:
        """Show that something is under way, then that it is done; nothing more when it fails."""
        began = time.monotonic()
        with self._console.status(doing):
            yield
        took = time.monotonic() - began
        self.say(f"- {doing}" + (f" ({took:.1f} s)" if took > _SLOW_S else ""))

    def say(self, text: str) -> None:
        """Print lines as they are: nothing in them is markup."""
        self._console.print(Text(text))

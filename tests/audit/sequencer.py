"""A worker that does nothing but make events leaves, in a process that can be killed.

    python -m tests.audit.sequencer DSN PASSWORD_FILE SIDE LIMIT KILL_AT COUNT_FILE

With KILL_AT 0 it goes on until it is killed; otherwise it dies after that many round trips to the
database, or writes their number to COUNT_FILE when there were fewer in one drain.
"""

import sys
import time
from pathlib import Path
from typing import cast

from tests.audit.trail import drain
from tests.rig.killable import Steps
from vault_service.domain.errors import VaultError
from vault_service.storage.pool import open_database
from vault_service.storage.roles import Side

if __name__ == "__main__":
    _dsn, _password_file, _side, _limit, _kill_at, _count_file = sys.argv[1:]
    _side = cast("Side", _side)
    _db = open_database(_dsn, Path(_password_file).read_text(), size=1, name=_side)
    if int(_kill_at):
        _db.ping()
        _steps = Steps(int(_kill_at), Path(_count_file))
        _steps.install()
        _steps.armed(drain, _db, _side, int(_limit))
    else:
        while True:
            try:
                drain(_db, _side, int(_limit))
            except VaultError:
                time.sleep(0.01)  # the other worker's turn was long

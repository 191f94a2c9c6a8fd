"""What an operator types, in this process: a command of its own takes two seconds to begin."""

import contextlib
import io
import os
from unittest.mock import patch

from tests.cli.commands import Ran
from tests.rig.vault import Vault
from vault_service.cli.main import create_app
from vault_service.cli.output import exit_code, report
from vault_service.domain.errors import VaultError


def typed(vault: Vault, command: str) -> Ran:
    """`rotate status` as `vaultctl rotate status` would answer where nobody sits at a terminal."""
    out, err = io.StringIO(), io.StringIO()
    words = command.split()
    with (
        patch.dict(os.environ, {"VAULT_SETTINGS": str(vault.settings_file), "COLUMNS": "120"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = create_app(words[0])(words, standalone_mode=False) or 0
        except VaultError as error:
            report(error, as_json="--json" in words)
            code = exit_code(error)
    return Ran(code, out.getvalue(), err.getvalue())

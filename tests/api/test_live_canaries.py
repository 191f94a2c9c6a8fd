"""Secrets go through every route, well and badly; none is found in a log or a figure afterwards."""

from pathlib import Path

import httpx
import pytest

from tests.api.everywhere import PLANTED, go_everywhere
from tests.rig.vault import Vault


def _said(vault: Vault) -> dict[str, str]:
    logs = {str(log): log.read_text("utf-8") for log in Path(vault.home).glob("*.log")}
    return {**logs, "metrics": httpx.get(f"http://127.0.0.1:{vault.metrics_port}/metrics", timeout=60).text}


@pytest.mark.slow
def test_no_secret_is_found_in_any_log_or_figure(served: Vault) -> None:
    tokens = go_everywhere(served)

    said = _said(served)
    assert said[f"{served.home}/api.log"].count('"event": "request"') > 30
    for secret in [*PLANTED, *(token[:40] for token in tokens), *(token[4:] for token in tokens)]:
        for where, text in said.items():
            assert secret.lower() not in text.lower(), f"{secret} in {where}"

"""Reads the published test vectors of this folder."""

import json
from pathlib import Path
from typing import Any


def load(name: str) -> dict[str, Any]:
    """One file's content; what the values are stands in README.md."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text("utf-8"))
    return content

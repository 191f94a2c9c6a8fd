"""What no template and no script of ours may hold: the first thing that a careless change brings in."""

import re
from pathlib import Path

import pytest

import vault_service

_ROOT = Path(vault_service.__file__).parent
TEMPLATES = sorted(
    (*_ROOT.glob("web/**/*.html"), *_ROOT.glob("console/**/*.html"), *_ROOT.glob("api/user_page/**/*.html"))
)
SCRIPTS = sorted(_ROOT.glob("**/static/*.js"))
STYLES = sorted(_ROOT.glob("**/static/*.css"))

NOT_IN_TEMPLATES = {
    "a text that is trusted": r"\|\s*safe\b|autoescape\s+false|Markup\(",
    "a handler in an attribute": r"<[^>]*\son[a-z]+\s*=",
    "a style in an attribute": r"<[^>]*\sstyle\s*=",
    "a style in the page": r"<style",
    "a script in the page": r"<script(?![^>]*\ssrc=)",
    "a script or style from elsewhere": r"(src|href)\s*=\s*[\"']?(https?:)?//",
    "an address that is code": r"javascript:",
    "a value without quotes": r"\s[\w-]+=\{\{",
    "a table without a caption": r"<table(?![^<]*>\s*(<caption|\{#))",
    "a link that opens a window": r"target\s*=",
}
NOT_IN_SCRIPTS = {
    "HTML from strings": r"\b(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment)\b|\.write\(",
    "code from strings": r"\beval\s*\(|new\s+Function\b|set(Timeout|Interval)\s*\(\s*[\"'`]",
    "another host": r"https?://",
    "a place where secrets stay": r"\b(localStorage|indexedDB|document\.cookie)\b",
    "a handler by attribute": r"setAttribute\(\s*[\"']on",
}


def _named(found: list[Path]) -> list[str]:
    return [str(each.relative_to(_ROOT)) for each in found]


@pytest.mark.parametrize("path", TEMPLATES, ids=_named(TEMPLATES))
def test_a_template_holds_no(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.S)

    assert [what for what, pattern in NOT_IN_TEMPLATES.items() if re.search(pattern, text, re.I)] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=_named(SCRIPTS))
def test_a_script_holds_no(path: Path) -> None:
    assert [what for what, pattern in NOT_IN_SCRIPTS.items() if re.search(pattern, path.read_text())] == []


@pytest.mark.parametrize("path", STYLES, ids=_named(STYLES))
def test_a_style_sheet_asks_nobody_else_for_anything(path: Path) -> None:
    assert re.search(r"@import|url\(|expression\(", path.read_text()) is None

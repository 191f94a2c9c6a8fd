"""Templates are read once: what becomes of their files later changes no page of a process that runs."""

import shutil
from pathlib import Path

import jinja2
import pytest

from vault_service.web.static_files import StaticFiles
from vault_service.web.templates import make_templates


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pages_of_a_test"
    (folder / "templates" / "parts").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "templates" / "page.html").write_text('{% include "parts/part.html" %} {{ what }}')
    (folder / "templates" / "parts" / "part.html").write_text("as it was")
    (folder / "templates" / "error.html").write_text("our own")
    monkeypatch.syspath_prepend(str(tmp_path))  # pyright: ignore[reportUnknownMemberType]
    return folder


def test_a_package_that_is_replaced_under_a_process_changes_no_page_of_it(package: Path) -> None:
    templates = make_templates(StaticFiles.of("vault_service.web"), "", package.name)
    (package / "templates" / "page.html").write_text("another version's, which needs {{ more }}")
    shutil.rmtree(package / "templates" / "parts")

    assert templates.get_template("page.html").render(what="<now>") == "as it was &lt;now&gt;"
    (package / "templates" / "parts").mkdir()
    (package / "templates" / "parts" / "part.html").write_text("later")
    assert templates.get_template("page.html").render(what="") == "as it was "


def test_a_package_s_own_template_stands_before_the_frame_s_and_what_there_is_not_is_said(
    package: Path,
) -> None:
    templates = make_templates(StaticFiles.of("vault_service.web"), "", package.name)

    assert templates.get_template("error.html").render() == "our own"
    with pytest.raises(jinja2.TemplateNotFound):
        templates.get_template("nothing.html")

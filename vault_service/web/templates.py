"""Jinja environments: everything that comes from outside is escaped, a value that is missing is an error.

Beside Jinja's own, templates have:
- `_('…')`, `ngettext(…)`, `{% trans %}`: in the reader's language; a percent sign is written %%
- `text|translated`: a text that Python marked; nothing is filled in
- `error|told`, `error|remedy`: what a refusal says, and what to do about it
- `line|in_words`: a sentence that was put together (sentences.py)
- `when|time`, `seconds|span`, `n|number`: see times.py
- `heads|stacks`, `rows|labelled(heads)`: see tables.py
- `words|sentence`: with a capital letter first, and the rest as it is
- `static('vault.css')`: the address of a file
- `script_text('touch', _('Touch your passkey'))`: a text for scripts, in the block `texts`
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jinja2
from markupsafe import Markup

from vault_service.web import tables, texts, times
from vault_service.web.problems import remedy_for_people, told
from vault_service.web.sentences import in_words
from vault_service.web.static_files import StaticFiles


def make_templates(static: StaticFiles, prefix: str, *packages: str) -> jinja2.Environment:
    """The folders `templates` of these packages, then those of vault_service.web."""
    made = jinja2.Environment(
        loader=_loaded(*packages, "vault_service.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True  # line breaks of a template are none of the text
    made.install_gettext_callables(texts.translated, texts.translated_n, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    ours: dict[str, Callable[..., Any]] = {
        "translated": texts.translated,
        "told": told,
        "remedy": remedy_for_people,
        "in_words": in_words,
        "time": times.time_element,
        "span": times.span,
        "number": times.number,
        "stacks": tables.stacks,
        "labelled": tables.labelled,
        "sentence": _sentence,
    }
    made.filters.update(ours)
    made.globals["static"] = partial(_address, static, prefix)  # pyright: ignore[reportArgumentType]  # the stubs allow what Jinja itself puts there only
    made.globals["script_text"] = _script_text  # pyright: ignore[reportArgumentType]
    texts.languages()  # read at the start, not while somebody waits
    return made


def _loaded(*packages: str) -> jinja2.BaseLoader:
    """All of them, read at the start: a package that is replaced under a process changes no page of it."""
    found: dict[str, tuple[str, str | None, Callable[[], bool]]] = {}
    blank = jinja2.Environment(autoescape=True)  # get_source asks for one, and uses nothing of it
    for package in packages:
        folder = jinja2.PackageLoader(package)
        for name in folder.list_templates():
            if name not in found:
                source, filename, _ = folder.get_source(blank, name)
                found[name] = (source, filename, lambda: True)
    return jinja2.FunctionLoader(found.get)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]  # capitalize would make the rest small: a German noun, a name


def _address(static: StaticFiles, prefix: str, name: str) -> str:
    return f"{prefix}/static/{static.address(name)}"


def _script_text(name: str, text: str) -> Markup:
    return Markup('<meta name="text:{}" content="{}">').format(name, text)

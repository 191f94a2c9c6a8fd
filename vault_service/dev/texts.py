"""Gather every text that people read into the catalogues of web/locales: `make texts`.

Texts stand in templates (`_('…')`, `{% trans %}`), in Python (`say`, `say_n`, `mark` of web/texts.py), and in
errors: what a class says when it is given no other words, its remedy, and the words that the pages' use
cases give it. Modules further down have sentences that pages show: kinds of events, why a password is weak,
what is doubtful about an entry. Translations that are there stay; texts that are gone go.
"""

import ast
import importlib
import io
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import vault_service
import vault_service.domain
from vault_service.audit.siem.mapping import KEYS, RECORDS, UNKNOWN
from vault_service.crypto import password_rules
from vault_service.crypto.password_patterns import Reason
from vault_service.domain.errors import InvalidInputError, VaultError
from vault_service.records.contact import Doubt

_ROOT = Path(vault_service.__file__).parent
LOCALES = _ROOT / "web" / "locales"
_METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
_OPTIONS = {"**/templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None, "say": None, "say_n": (1, 2)}
_FOLDERS = ("web", "console", "api/user_page")  # whose templates and modules
_REFUSE = ("console", "crypto/registration.py", "recovery", "web", "api/user_page")  # whose errors' own words
_WIDTH = 100
_HEADERS = ("Language:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:", "Plural-Forms:")


def gather() -> Catalog:
    """All of them, with the files that they stand in."""
    found = Catalog(charset="utf-8")
    for folder in _FOLDERS:
        for name, _, text, _, _ in extract_from_dir(_ROOT / folder, _METHODS, _OPTIONS, _KEYWORDS):
            found.add(text, locations=[(f"{folder}/{name}", 0)])
    for module, text in (*_said_by_errors(), *_said_where_raised(), *_said_further_down()):
        found.add(text, locations=[(module, 0)])
    return found


def _said_by_errors() -> Iterator[tuple[str, str]]:
    for each in pkgutil.iter_modules(vault_service.domain.__path__):
        importlib.import_module(f"vault_service.domain.{each.name}")
    for kind in _all_kinds(VaultError):
        module = kind.__module__.removeprefix("vault_service.").replace(".", "/") + ".py"
        if module.startswith("domain/"):
            yield module, (kind.__doc__ or kind.code).splitlines()[0]
            yield module, kind.remedy


def _all_kinds(kind: type[VaultError]) -> Iterator[type[VaultError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all_kinds(each)


def _said_where_raised() -> Iterator[tuple[str, str]]:
    """`raise CaseRefusedError("it was changed meanwhile")`: the words, where they are a constant."""
    for folder in _REFUSE:
        found = _ROOT / folder
        for path in [found] if found.is_file() else sorted(found.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield from _words_of(node, node.func.id, str(path.relative_to(_ROOT)))


def _words_of(call: ast.Call, name: str, where: str) -> Iterator[tuple[str, str]]:
    names_a_part = name == InvalidInputError.__name__  # the words come second
    said = call.args[1 if names_a_part else 0 :][:1] if name.endswith("Error") else []
    for words in said:
        if isinstance(words, ast.Constant) and isinstance(words.value, str) and " " in words.value:
            yield where, words.value


def _said_further_down() -> Iterator[tuple[str, str]]:
    """What modules say that know of no pages: whole sentences, which a page looks up as they are."""
    for shape in (*KEYS.values(), *RECORDS.values(), UNKNOWN):
        yield "audit/siem/mapping.py", shape.message
    for reason in Reason:
        yield "crypto/password_patterns.py", reason.value
    for text in password_rules.UNFIT:
        yield "crypto/password_rules.py", text
    for doubt in Doubt:
        yield "records/contact.py", doubt.value


def read(path: Path) -> Catalog:
    """A catalogue of a language."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def renew(old: Catalog, texts: Catalog) -> bytes:
    """The catalogue with every text that there is, and no other."""
    old.update(texts, no_fuzzy_matching=True)
    old.obsolete.clear()
    written = io.BytesIO()
    write_po(written, old, width=_WIDTH, include_lineno=False, ignore_obsolete=True, sort_by_file=True)
    head, _, rest = written.getvalue().decode().partition("\n\n")
    kept = [line for line in head.splitlines() if not line.startswith('"') or line[1:].startswith(_HEADERS)]
    lines = [line for line in kept if not line.startswith("#")]
    return ("\n".join(lines) + "\n\n" + rest).encode()


def main() -> int:
    """Renew every catalogue, and say what is left to do."""
    texts = gather()
    for path in sorted(LOCALES.glob("*.po")):
        path.write_bytes(renew(read(path), texts))
        left = len(untranslated(read(path)))
        print(f"{path.relative_to(_ROOT.parent)}: {len(texts)} texts, {left} to translate")  # noqa: T201
    return 0


def untranslated(catalogue: Catalog) -> list[str]:
    """Texts that have no translation, or one that somebody doubted (fuzzy) or left a form out of."""
    return [
        forms(each.id)[0] for each in catalogue if each.id and (each.fuzzy or not all(forms(each.string)))
    ]


def forms(text: object) -> tuple[str, ...]:
    """Of a text that has a plural: all of them."""
    return (text,) if isinstance(text, str) else tuple(cast("Iterable[str]", text))


if __name__ == "__main__":
    sys.exit(main())

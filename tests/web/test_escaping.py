"""Whatever stands in a field, the page has the same tags and attributes as with a harmless word."""

from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest

from tests.web.hostile import HOSTILE
from tests.web.toy import ORIGIN, PEOPLE, ToyDoor
from vault_service.web.charts import Plot, Series, bars, lines
from vault_service.web.site import Site
from vault_service.web.static_files import StaticFiles
from vault_service.web.templates import make_templates

pytestmark = pytest.mark.slow

_PAGE = """{% extends "frame.html" %}
{% import "macros/fields.html" as fields %}{% import "macros/look.html" as look %}
{% import "macros/tables.html" as tables %}
{% block title %}{{ x }}{% endblock %}
{% block texts %}{{ script_text("a", x) }}{% endblock %}
{% block main %}
{% call look.head(x, lead=x, path=[("/", x)]) %}{{ x }}{% endcall %}
{{ look.badge(x) }}{{ look.count(1, of=x) }}{{ look.notice(x, text=x) }}{{ look.facts([(x, x)]) }}
{{ look.tiles([(x, x, x)]) }}{{ look.empty(x) }}{{ look.id(x) }}{{ look.short(x) }}{{ look.hash(x) }}
{{ look.progress(x, 1, 2) }}
<p>{{ x|translated }} {% trans v=x %}The text {{ v }} here{% endtrans %} {{ _('Of %(v)s', v=x) }}</p>
<form>{{ fields.text("a", x, value=x, hint=x, error=x, placeholder=x) }}{{ fields.secret("b", x, hint=x) }}
{{ fields.area("c", x, value=x, hint=x) }}{{ fields.select("d", x, [(x, x)], value=x) }}
{{ fields.radios("e", x, [(x, x, x)], value=x, error=x) }}
{{ fields.ticks("f", x, [(x, x)], values=[x], hint=x) }}
{{ fields.tick("g", x, value=x, hint=x, error=x) }}{{ fields.hidden("h", x) }}{{ fields.submit(x) }}</form>
{% call tables.table(x, [x, (x, "number"), x]) %}
<tr><th scope="row">{{ x }}</th><td>{{ x }}</td><td>{{ x }}</td></tr>{% endcall %}
{{ plots }}
{% endblock %}"""


class _Structure(HTMLParser):
    """Tags with the names of their attributes, in order; text and values apart."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.values: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.tags.append(("declaration", decl))


@pytest.fixture(scope="module")
def page() -> jinja2.Template:
    """Every macro, with a value in each place that takes one."""
    made = make_templates(StaticFiles.of("vault_service.web"), "")
    assert made.loader is not None
    made.loader = jinja2.ChoiceLoader([jinja2.DictLoader({"page.html": _PAGE}), made.loader])
    return made.get_template("page.html")


def _drawn(word: str) -> Any:
    plot = Plot("p", word, word, (word,), (Series(word, (1,)),), word)
    return bars(plot) + lines(plot)


def _structure(page: jinja2.Template, word: str) -> _Structure:
    person = PEOPLE["ana-s-session"]
    door = ToyDoor(PEOPLE)
    site: Site[None, Any] = Site("toy", ORIGIN, None, (), door, page.environment, "/", StaticFiles({}))
    found = _Structure()
    found.feed(
        page.render(
            x=word, who=person, site=site, site_name=word, site_line=word, here=word, page_path="/",
            csrf_field="", language="en", languages=[("en", word)], plots=_drawn(word),
        )
    )  # fmt: skip
    found.close()
    return found


def test_there_are_five_hundred_of_them() -> None:
    assert len(HOSTILE) >= 500


def test_five_hundred_hostile_strings_in_every_place_stay_text(page: jinja2.Template) -> None:
    harmless = _structure(page, "harmless")
    places = sum("harmless" in value for value in harmless.values)

    for word in HOSTILE:
        found = _structure(page, word)
        # A word with a space in it is no other: look.words is not among them.
        assert found.tags == harmless.tags, word
        if word.strip() and "\r" not in word and "\x00" not in word:
            assert sum(word in value for value in found.values) >= places, word


def test_the_guard_sees_what_is_not_escaped() -> None:
    """The same comparison, of a template that trusts what it is given."""
    careless = jinja2.Environment(autoescape=True).from_string("<p title='{{ x|safe }}'>{{ x|safe }}</p>")

    def tags(word: str) -> list[tuple[str, ...]]:
        found = _Structure()
        found.feed(careless.render(x=word))
        found.close()
        return found.tags

    assert sum(tags(word) != tags("harmless") for word in HOSTILE) > 350

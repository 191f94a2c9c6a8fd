"""Jinja environments: everything that comes from outside is escaped, a value that is missing is an error."""

from functools import partial

import jinja2

from vault_service.web.static_files import StaticFiles


def make_templates(static: StaticFiles, prefix: str, *packages: str) -> jinja2.Environment:
    """The folders `templates` of these packages, then those of vault_service.web."""
    loaders = [jinja2.PackageLoader(package) for package in (*packages, "vault_service.web")]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    made.globals["static"] = partial(_address, static, prefix)  # pyright: ignore[reportArgumentType]  # the stubs allow what Jinja itself puts there only
    return made


def _address(static: StaticFiles, prefix: str, name: str) -> str:
    return f"{prefix}/static/{static.address(name)}"

"""Style and scripts, read once at the start and served under names that change with their content.

Scripts import one another as "./name.js"; what is served imports the names that change, so that no browser
keeps an old script beside a new one.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from flask import Flask, Response

from vault_service.domain.errors import NoSuchRouteError

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_DIGITS = 12
_IMPORT = re.compile(rb'"\./([\w-]+\.js)"')


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """Name -> content."""

    content: Mapping[str, bytes]

    @classmethod
    def of(cls, *packages: str) -> "StaticFiles":
        """The folders `static` of these packages."""
        found = {
            each.name: each.read_bytes()
            for package in packages
            for each in files(package).joinpath("static").iterdir()
            if each.name.endswith(tuple(_TYPES))
        }
        return cls(_with_addresses(found))

    def address(self, name: str) -> str:
        """Below the site's /static/; raises KeyError for a file that there is not."""
        return _address(name, self.content[name])

    def add_to(self, app: Flask, prefix: str) -> None:
        """Serve them."""
        by_address = {self.address(name): name for name in self.content}

        def static_file(address: str) -> Response:
            name = by_address.get(address)
            if name is None:
                raise NoSuchRouteError
            kept = {
                "Cache-Control": "public, max-age=31536000, immutable",
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            }
            return Response(
                self.content[name], headers=kept, content_type=_TYPES["." + name.rpartition(".")[2]]
            )

        app.add_url_rule(f"{prefix}<address>", f"static {prefix}", static_file, methods=["GET"])


def _with_addresses(found: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Each file with the addresses of what it imports. Raises KeyError for an import that there is not."""
    done = {name: content for name, content in found.items() if not name.endswith(".js")}

    def finish(name: str, importers: tuple[str, ...]) -> bytes:
        if name in importers:
            raise ValueError(f"{name} imports itself by way of {', '.join(importers)}")
        if name not in done:
            done[name] = _IMPORT.sub(
                lambda each: (
                    f'"./{_address(each[1].decode(), finish(each[1].decode(), (*importers, name)))}"'.encode()
                ),
                found[name],
            )
        return done[name]

    for name in found:
        finish(name, ())
    return done


def _address(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:_DIGITS]}.{suffix}"

"""Style and scripts, read once at the start and served under names that change with their content."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from flask import Flask, Response

from vault_service.domain.errors import NoSuchRouteError

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_DIGITS = 12
# import … from "./share.js", export … from, import("./share.js"), import "./share.js"
_IMPORT = re.compile(rb"""(\bfrom\s*|\bimport\s*\(?\s*)(["'])\./([\w-]+\.js)\2""")


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """Name -> content; a module's imports of others lead to their addresses."""

    content: Mapping[str, bytes]

    @classmethod
    def of(cls, *packages: str) -> "StaticFiles":
        """The folders `static` of these packages. Raises as `linking` does, ValueError for a name twice."""
        found: dict[str, bytes] = {}
        for package in packages:
            for each in files(package).joinpath("static").iterdir():
                if not each.name.endswith(tuple(_TYPES)):
                    continue
                if each.name in found:  # pages ask by name: one of the two would be served to both
                    raise ValueError(f"{each.name} stands in the static folders of two packages")
                found[each.name] = each.read_bytes()
        return cls.linking(found)

    @classmethod
    def linking(cls, found: Mapping[str, bytes]) -> "StaticFiles":
        """These. Raises KeyError for an import that leads nowhere, ValueError for a circle of them."""
        return cls(_linked(found))

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


def _address(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:_DIGITS]}.{suffix}"


def _linked(found: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Addresses are made of content, and imports are content: what is imported comes first."""
    done: dict[str, bytes] = {}

    def link(name: str, above: tuple[str, ...]) -> bytes:
        if name in above:
            raise ValueError(f"scripts that import each other: {', '.join((*above, name))}")

        def linked(match: re.Match[bytes]) -> bytes:
            head, quote, other = match[1], match[2], match[3].decode()
            address = _address(other, link(other, (*above, name)))
            return head + quote + b"./" + address.encode() + quote

        if name not in done:
            done[name] = _IMPORT.sub(linked, found[name]) if name.endswith(".js") else found[name]
        return done[name]

    for name in found:
        link(name, ())
    return done

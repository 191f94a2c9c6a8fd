"""Style and scripts, read once at the start and served under names that change with their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from flask import Flask, Response

from vault_service.domain.errors import NoSuchRouteError

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_DIGITS = 12


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
        return cls(found)

    def address(self, name: str) -> str:
        """Below the site's /static/; raises KeyError for a file that there is not."""
        stem, _, suffix = name.rpartition(".")
        return f"{stem}.{hashlib.sha256(self.content[name]).hexdigest()[:_DIGITS]}.{suffix}"

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

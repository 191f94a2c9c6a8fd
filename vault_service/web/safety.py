"""Headers and cookies of pages: what the browser is told to forbid."""

from collections.abc import Mapping

_POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    )
)  # fmt: skip
_PAGES: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,  # no inline script or style, no other host, no HTML from strings
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",  # our own forms then come with "Origin: null": see site.py
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), "
    "camera=(), microphone=(), geolocation=()",
}
_TLS_ONLY = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}  # two years


def headers_of_pages(*, https: bool) -> Mapping[str, str]:
    """For every answer but files that never change."""
    return {**_PAGES, **(_TLS_ONLY if https else {})}


def session_cookie(name: str, value: str) -> str:
    """A Set-Cookie line. `__Host-`: this host only, never by clear text, whatever a neighbour site sets.

    RFC 6265bis, section 4.1.3.2. No Max-Age: it goes when the browser is closed.
    """
    return f"__Host-{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict"


def kept_cookie(name: str, value: str, age_s: int) -> str:
    """A Set-Cookie line for a choice that outlives the browser: nothing that anybody is signed in by."""
    return f"{session_cookie(name, value)}; Max-Age={age_s}"


def no_cookie(name: str) -> str:
    """Have the browser forget it."""
    return f"__Host-{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"

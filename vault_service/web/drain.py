"""What a refused request still sends is taken and dropped, so that the refusal arrives."""

import contextlib

from flask import Request

_DRAINED_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
MORE_TO_COME = "wsgi.input_terminated"  # the server ends the stream where the body ends


def drain(request: Request) -> None:
    """Take what a refused request still sends, as far as any route would have, and drop it.

    A server that closes a connection with unread bytes on it resets it, and the client may never
    see why it was refused.
    """
    left = _DRAINED_BYTES
    if MORE_TO_COME not in request.environ or not announces_body(request):
        return
    stream = request.environ["wsgi.input"]
    with contextlib.suppress(Exception):  # the client is gone, or its chunks are malformed
        while left > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
            left -= len(piece)


def announces_body(request: Request) -> bool:
    """Does it say that a body follows?"""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers

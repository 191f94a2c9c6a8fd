"""TLS connections to the outside: to addresses that were checked, and to the very ones.

A name is resolved once for each connection, and all its addresses must be allowed. What is connected to
is one of these addresses, not the name: a second look-up could be answered otherwise (DNS rebinding).
The name still decides SNI and whose certificate is demanded. Proxies of the environment have no part.
"""

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from ipaddress import ip_address
from pathlib import Path

from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.addresses import Address, AddressPolicy
from vault_service.outbound.errors import OutboundRefusedError, OutboundUnavailableError

Resolver = Callable[[str, int], Sequence[str]]
"""A host and a port -> addresses as text. Raises OSError."""

_MAX_ADDRESSES = 16  # tried of one name


class Deadline:
    """The end of one exchange: each wait gets what is left, so that drops of bytes do not prolong it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds, more than 0. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left


def system_resolver(host: str, port: int) -> Sequence[str]:
    """What this host's resolver answers."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def client_context(
    *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS 1.2 or newer, the name checked against a certificate of `ca` (None: the system's authorities).

    Raises ConfigurationError. Not ssl.create_default_context, which writes session keys to the file that
    SSLKEYLOGFILE names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python's default takes a connection that just breaks for one that its peer ended: whoever is on the way
    # could make us believe that something was received (RFC 8446, section 6.1).
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    try:
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=str(ca))
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"TLS files of a receiver: {type(error).__name__}",
            remedy="Check that ca, certificate and key exist, are PEM, and belong together.",
        ) from None
    return context


class Outbound:
    """The way out of one process."""

    def __init__(self, policy: AddressPolicy, resolve: Resolver = system_resolver) -> None:
        self._policy = policy
        self._resolve = resolve

    def check_literal(self, host: str) -> None:
        """For when a host is configured. Raises OutboundRefusedError for an address that is not allowed.

        A name may have another address by then: it is checked at each connection.
        """
        try:
            ip_address(host)
        except ValueError:
            return
        self._policy.check(host)

    def addresses(self, host: str, port: int, deadline: Deadline) -> tuple[Address, ...]:
        """Where a host is. Raises OutboundRefusedError, OutboundUnavailableError.

        One address that is not allowed refuses the whole name: an answer that mixes them is an attack,
        or a split horizon that somebody should look at.
        """
        try:
            found = _within(deadline, lambda: self._resolve(host, port))
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            raise OutboundUnavailableError(host, "its name is not resolved") from None
        if not found:
            raise OutboundUnavailableError(host, "its name is not resolved")
        try:
            return tuple(self._policy.check(each) for each in found)[:_MAX_ADDRESSES]
        except OutboundRefusedError as error:
            raise OutboundRefusedError(f"{host}: {error.detail}") from None

    @contextlib.contextmanager
    def connected(
        self, host: str, port: int, context: ssl.SSLContext, deadline: Deadline
    ) -> Generator[ssl.SSLSocket]:
        """A connection, closed at the end; its time-out is what was left when TLS was agreed on.

        Raises OutboundRefusedError, OutboundUnavailableError: also for whatever goes wrong inside the block.
        """
        allowed = self.addresses(host, port, deadline)
        try:
            with (
                _first(allowed, port, deadline) as plain,
                context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) as secured,
            ):
                secured.settimeout(deadline.left_s())
                secured.do_handshake()
                yield secured
        except ssl.SSLCertVerificationError:
            raise OutboundUnavailableError(host, "its certificate is not accepted") from None
        except TimeoutError:
            raise OutboundUnavailableError(host, "no answer in time") from None
        except ssl.SSLError:
            raise OutboundUnavailableError(host, "TLS failed") from None
        except OSError:
            raise OutboundUnavailableError(host, "the connection failed") from None


def _first(addresses: Sequence[Address], port: int, deadline: Deadline) -> socket.socket:
    """Connected to the first of the addresses that lets itself be. Raises OSError."""
    failed: OSError = ConnectionError("no address")
    for number, address in enumerate(addresses):
        share = deadline.left_s() / (len(addresses) - number)  # a silent one leaves time for the others
        try:
            return socket.create_connection((str(address), port), timeout=share)
        except OSError as error:
            failed = error
    raise failed


def _within(deadline: Deadline, work: Callable[[], Sequence[str]]) -> Sequence[str]:
    """getaddrinfo knows no time-out: it is waited for no longer than there is time."""
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(work())
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left_s())
    except queue.Empty:
        raise TimeoutError("the resolver does not answer") from None
    if isinstance(answer, Exception):
        raise answer
    return answer

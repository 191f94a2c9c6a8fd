"""What an app does with its key: sign people up, sign them in."""

import ipaddress
import uuid
from types import TracebackType
from typing import Self

import httpx

from vault_service.client.answers import Recovery, RecoveryStatus, SignedIn, SignedUp
from vault_service.client.sending import Call, Repeat, Sender, decode, encode
from vault_service.client.session import UserSession

_CONNECTIONS = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=5.0)


class VaultClient:
    """A vault as one app sees it; safe to share between threads, closed by `close` or `with`.

    Example:
        with VaultClient("https://vault.example.org", app_key=key) as vault:
            vault.sign_up("ana@example.org", "plum tractor velvet orbit")
            with vault.sign_in("ana@example.org", "plum tractor velvet orbit") as ana:
                kept = ana.records.create("contact", {"full_name": "Ana Silva"})
                for record in ana.records.find(collection="contact"):
                    print(record.fields["full_name"])
    """

    def __init__(
        self,
        base_url: str,
        *,
        app_key: str | None = None,
        timeout_s: float = 20.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Nothing is sent yet.

        `timeout_s`: for each step of one attempt; signing in may wait several seconds for its turn.
        `retries`: how often a request is repeated at most, where that is safe. `transport`: a way of
        your own, such as `httpx.HTTPTransport(uds="/run/vault.sock")` or one with your authority's
        certificate; proxies from the environment are not used.

        Raises ValueError for an address that would send passwords in clear text over a network,
        unless a transport says that there is none.
        """
        if transport is None:
            _refuse_clear_text(httpx.URL(base_url))
        http = httpx.Client(
            base_url=base_url,
            timeout=timeout_s,
            transport=transport or httpx.HTTPTransport(limits=_CONNECTIONS),
            trust_env=False,  # a proxy named in the environment is not part of the vault
        )
        self._base_url = base_url
        self._app_key = app_key
        self._sender = Sender(http, retries)

    def __repr__(self) -> str:
        """Without the key."""
        return f"VaultClient({self._base_url!r})"

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connections back."""
        self.close()

    def close(self) -> None:
        """Give the connections back; sessions go on and can be resumed."""
        self._sender.http.close()

    def sign_up(
        self, login: str, password: str | None = None, *, idempotency_key: str | None = None
    ) -> SignedUp:
        """Make a user; without a password, one with a one-time password to hand over.

        A retry by this method has no second effect. Pass a key of your own, at most 255 visible ASCII
        characters, to retry after a crash of your program too.

        Raises LoginTakenError, WeakPasswordError, AppKeyRefusedError, UnavailableError.
        """
        body = {"login": login} if password is None else {"login": login, "password": password}
        call = Call(
            "POST",
            "/v1/users",
            self._app_key,
            encode(body),
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        )
        return decode(self._sender.send(call), SignedUp)

    def sign_in(self, login: str, password: str) -> UserSession:
        """Begin a session, which `with` or `sign_out` ends.

        A password that was refused is never tried again by itself, as each failure counts.

        Raises LoginRefusedError, ThrottledError, AppKeyRefusedError, UnavailableError.
        """
        body = encode({"login": login, "password": password})
        call = Call("POST", "/v1/sessions", self._app_key, body, repeat=Repeat.IF_NOT_DONE)
        begun = decode(self._sender.send(call), SignedIn)
        return UserSession(self._sender, begun.token, begun)

    def resume(self, session_token: str) -> UserSession:
        """A session that was begun earlier, by the token that `UserSession.reveal_token` gave.

        Nothing is sent: whether the token is still good shows at the first call.
        """
        return UserSession(self._sender, session_token)

    def redeem_one_time_password(self, user_id: uuid.UUID, token: str, new_password: str) -> None:
        """Exchange a one-time password for one of the person's own choice; it works once.

        Raises LoginRefusedError, WeakPasswordError, ThrottledError.
        """
        body = encode({"token": token, "new_password": new_password})
        self._sender.send(
            Call(
                "POST", f"/v1/users/{uuid.UUID(str(user_id))}/password", None, body, repeat=Repeat.IF_NOT_DONE
            )
        )

    def recover(
        self, login: str, new_password: str, *, stolen: bool = False, idempotency_key: str | None = None
    ) -> Recovery:
        """Ask for access again: officers decide, and then the new password opens the data.

        `stolen`: somebody else may know the old one, so signing in with it does not cancel this. A retry by
        this method has no second effect; pass a key of your own to retry after a crash of your program too.
        The answer is the same whether or not anybody has the login.

        Raises WeakPasswordError, TooManyRecoveriesError, AppKeyRefusedError, UnavailableError.
        """
        body = {"login": login, "new_password": new_password, "stolen": stolen}
        call = Call(
            "POST",
            "/v1/recoveries",
            self._app_key,
            encode(body),
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        )
        return decode(self._sender.send(call), Recovery)

    def recovery(self, case_id: uuid.UUID) -> RecoveryStatus:
        """How a recovery that this app asked for stands. Raises NotFoundError."""
        call = Call("GET", f"/v1/recoveries/{uuid.UUID(str(case_id))}", self._app_key)
        return decode(self._sender.send(call), RecoveryStatus)

    def redeem_recovery_code(self, login: str, recovery_code: str, new_password: str) -> None:
        """Set a new password with a code that the person kept; it works once, and every session ends.

        Raises LoginRefusedError, WeakPasswordError, ThrottledError, RecoveryCodesOffError.
        """
        body = encode({"login": login, "recovery_code": recovery_code, "new_password": new_password})
        self._sender.send(Call("POST", "/v1/recoveries/code", self._app_key, body, repeat=Repeat.IF_NOT_DONE))


def _refuse_clear_text(url: httpx.URL) -> None:
    if url.scheme == "https" or (url.scheme == "http" and _is_this_host(url.host)):
        return
    raise ValueError(f"{url.scheme}://{url.host} would carry passwords in clear text; use https")


def _is_this_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

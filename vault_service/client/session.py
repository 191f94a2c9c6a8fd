"""What a signed-in user does: the account, its sessions, its trail, its data."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from vault_service.client.answers import (
    Access,
    AccessPage,
    CodeMade,
    DataKeyProgress,
    Me,
    Receipts,
    Record,
    SignedIn,
)
from vault_service.client.errors import VaultClientError
from vault_service.client.exporting import read_export, read_lines
from vault_service.client.records import Records
from vault_service.client.sending import Call, Repeat, Sender, decode, encode

_PAGE = 200  # the most that the API gives at once


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One of the user's sessions; `current` marks the one that asks."""

    session_id: UUID
    created_at: datetime
    last_seen: datetime  # to the minute
    expires_at: datetime
    current: bool
    app: str | None = None


@dataclass(frozen=True, slots=True)
class _Sessions:
    items: tuple[OpenSession, ...]


class UserSession:
    """One user's session, made by `VaultClient.sign_in` or `resume`; `with` ends it.

    `records` holds what concerns the data. `begun` is what signing in answered, None when resumed.
    """

    def __init__(self, sender: Sender, token: str, begun: SignedIn | None = None) -> None:
        self._sender = sender
        self._token = token
        self.begun = begun
        self.records = Records(sender, token)

    def __repr__(self) -> str:
        """Without the token."""
        return f"UserSession({self.begun.user_id if self.begun else 'resumed'})"

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session; one that cannot be reached or is over already ends by itself."""
        try:
            self.sign_out()
        except VaultClientError:
            return

    def reveal_token(self) -> str:
        """The bearer token, to resume the session later: keep it like a password."""
        return self._token

    def me(self) -> Me:
        """Tell who is signed in."""
        return decode(self._sender.send(Call("GET", "/v1/me", self._token)), Me)

    def change_login(self, password: str, new_login: str) -> None:
        """Raises LoginRefusedError for a wrong password, LoginTakenError."""
        self._change("PUT", "/v1/me/login", {"password": password, "new_login": new_login})

    def change_password(self, current_password: str, new_password: str) -> None:
        """Every session ends, this one too: sign in again with the new password.

        Raises LoginRefusedError for a wrong password, WeakPasswordError. After
        OutcomeUnknownError, or VaultConnectionError with `may_have_happened`, sign in with the new
        password to see whether it took effect.
        """
        body = {"current_password": current_password, "new_password": new_password}
        self._change("PUT", "/v1/me/password", body)

    def change_data_key(self, password: str) -> None:
        """Have the data encrypted under another key, when somebody may have seen the old one.

        Every session ends, this one too, and a recovery code: sign in again, then `finish_data_key`. All
        records can be read and written meanwhile.

        Raises LoginRefusedError for a wrong password, DataKeyChangeRefusedError.
        """
        self._change("POST", "/v1/me/data-key", {"password": password})

    def continue_data_key(self) -> DataKeyProgress:
        """Re-encrypt some more records; after the last one the older key is given up for good."""
        call = Call("POST", "/v1/me/data-key/continue", self._token)
        return decode(self._sender.send(call), DataKeyProgress)

    def finish_data_key(self) -> int:
        """The same until none remains; returns how many records do not open: the older key stays for them."""
        while (progress := self.continue_data_key()).remaining:
            pass
        return progress.unreadable

    def erase(self, password: str) -> None:
        """Erase the account with all its data. This is final."""
        self._change("DELETE", "/v1/me", {"password": password})

    def cancel_recovery(self, case_id: UUID) -> None:
        """Cancel a recovery of this account. Raises NotFoundError, RecoveryClosedError."""
        self._change("DELETE", f"/v1/recoveries/{UUID(str(case_id))}")

    def create_recovery_code(self, password: str) -> str:
        """A code to write down: with it a forgotten password is replaced without officers, once.

        It is shown this once; an older one ends. Raises LoginRefusedError, RecoveryCodesOffError.
        """
        call = Call(
            "POST", "/v1/me/recovery-code", self._token, encode({"password": password}),
            repeat=Repeat.IF_NOT_DONE,
        )  # fmt: skip
        return decode(self._sender.send(call), CodeMade).recovery_code

    def sessions(self) -> tuple[OpenSession, ...]:
        """The user's open sessions."""
        return decode(self._sender.send(Call("GET", "/v1/sessions", self._token)), _Sessions).items

    def end_session(self, session_id: UUID) -> None:
        """End one session. Raises NotFoundError."""
        self._change("DELETE", f"/v1/sessions/{UUID(str(session_id))}")

    def sign_out(self) -> None:
        """End this session."""
        self._change("DELETE", "/v1/sessions/current")

    def sign_out_everywhere(self) -> None:
        """End all of the user's sessions, this one too."""
        self._change("DELETE", "/v1/sessions")

    def accesses(self) -> Iterator[Access]:
        """Who touched the data, when and by which app, newest first; pages are fetched as needed."""
        params = {"limit": str(_PAGE)}
        while True:
            call = Call("GET", "/v1/me/accesses", self._token, params=params)
            page = decode(self._sender.send(call), AccessPage)
            yield from page.items
            if page.next_cursor is None:
                return
            params = {**params, "cursor": page.next_cursor}

    def receipts(self) -> Receipts:
        """Proofs, to be kept, that every access until now is in the sealed log.

        Raises UnexpectedAnswerError for an answer that was cut off.
        """
        response = self._sender.send(Call("GET", "/v1/me/receipts", self._token))
        return replace(decode(response, Receipts), document=response.content)

    def export(self) -> Iterator[Record]:
        """Everything, as a stream: only an iteration that comes to its end has seen all of it.

        The vault does not wait for long: where each record is work, write `export_lines` to a file first.

        Raises IncompleteExportError when it ends before the vault says that it is whole, and
        BrokenRecordsError, after the last of the others, if some records do not open.
        """
        return read_export(self._sender, self._token)

    def export_lines(self) -> Iterator[bytes]:
        """The same as JSON lines, byte for byte, for a file; the last line says how many there are.

        A record that does not open is a line {"record_id": …, "error": "integrity"}.
        """
        return read_lines(self._sender, self._token)

    def _change(self, method: str, path: str, body: dict[str, str] | None = None) -> None:
        content = None if body is None else encode(body)
        self._sender.send(Call(method, path, self._token, content, repeat=Repeat.IF_NOT_DONE))

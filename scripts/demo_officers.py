"""Become two officers of the vault that `make run` runs, each with a passkey (`make demo-officers`).

The demo officers ana, bob and cleo, whose key files lie in the vault's folder, invite dora and emil: you open
two links in your browser and make a passkey at each. Then the three have both named as officers, by a case
and a ceremony like any other. With VIRTUAL=1 two chromium windows open instead, whose passkeys are made by
the browser itself: for a machine with a display, but without a fingerprint reader or a security key.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from console_officers import DemoOffice, Invited

from vault_service.settings import vault_home

NAMES = ("dora", "emil")
_LOOK_S = 1.0
_COMMAND_S = 120.0


class CannotError(Exception):
    """What is wrong, and what to do."""


def main() -> int:
    """0: both are officers."""
    ready_file = vault_home() / "ready.json"
    try:
        ready = json.loads(ready_file.read_bytes())
    except OSError:
        print(f"error: no vault is ready in {vault_home()}\nremedy: make run, in another terminal")
        return 3
    office = DemoOffice(_vaultctl, vault_home() / "demo-officers")
    try:
        virtual = bool(os.environ.get("VIRTUAL"))  # their passkeys are gone once the windows are closed
        if not virtual and set(NAMES) <= office.names():
            print(f"{' and '.join(NAMES)} are officers already, with the passkeys that were made then.")
            _say_what_to_try(ready)
            return 0
        if virtual:
            _demand_display()
        invited = [office.invite(name) for name in NAMES]
        if virtual:
            return _with_windows(office, invited, ready)
        _ask_for_passkeys(invited)
        _name(office, _await_cards(office, invited))
        _say_what_to_try(ready)
    except (CannotError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the links that were not used are still good")
        return 1
    return 0


def _ask_for_passkeys(invited: Sequence[Invited]) -> None:
    print("Open each link in a browser on this machine, and make a passkey there:\n")
    for each in invited:
        print(f"  {each.name}: {each.link}")
    print(
        "\nOne browser will do for both: it keeps their passkeys apart, and asks which one when you sign in."
        "\nYou need a fingerprint reader, a PIN of your device, a security key or a telephone. Without any:"
        "\nmake demo-officers VIRTUAL=1 (needs a display), or in Chrome: developer tools, More tools,"
        "\nWebAuthn, Enable, Add authenticator (ctap2, internal, resident keys, user verification, PRF).\n"
    )


def _await_cards(office: DemoOffice, invited: Sequence[Invited]) -> list[Mapping[str, str]]:
    print("Waiting for both passkeys (Ctrl-C ends it) ...", flush=True)
    seen: set[str] = set()
    while True:
        cards = office.cards()
        for each in invited:
            if each.officer_id in cards and each.officer_id not in seen:
                seen.add(each.officer_id)
                print(f"  {each.name}'s card is here: {cards[each.officer_id]['key']}", flush=True)
        if len(seen) == len(invited):
            return [cards[each.officer_id] for each in invited]
        time.sleep(_LOOK_S)


def _name(office: DemoOffice, cards: Sequence[Mapping[str, str]]) -> None:
    print(
        "In a real vault the officers now compare these fingerprints with what each newcomer reads to them."
    )
    print(
        "ana proposes both, bob and cleo approve, and the ceremony splits the escrow PIN anew ...", flush=True
    )
    case = office.name_them(cards)
    print(f"{' and '.join(NAMES)} are officers (case {case}).")


def _say_what_to_try(ready: Mapping[str, str], *, signed_in: bool = False) -> None:
    first = "reload the page" if signed_in else f"sign in at {ready['console_url']}"
    print(
        f"\nTry it:\n"
        f"  1. As a user, make a vault at {ready['user_page_url']}/sign-up, put something in, sign out, and\n"
        f"     forget the password: {ready['user_page_url']}/recover\n"
        f"  2. As dora, then as emil, {first}, open the case under Work, and approve it:\n"
        f"     the login and the six words are what you, as the user, would tell them.\n"
        f"  3. Sign in as the user with the new password."
    )


def _with_windows(office: DemoOffice, invited: Sequence[Invited], ready: Mapping[str, str]) -> int:
    """Two windows that stay open until they are closed."""
    from officer_windows import enrol, headed_browser, sign_in, until_closed, window

    with headed_browser() as browser:
        pages = [enrol(window(browser, at, len(invited)), each.link) for at, each in enumerate(invited)]
        _name(office, _await_cards(office, invited))
        for page in pages:
            sign_in(page, ready["console_url"])
        _say_what_to_try(ready, signed_in=True)
        print(
            "\nThe left window is dora's, the right one emil's. Each has its passkey in its one tab, as long"
            "\nas that is open. Close both to end this.",
            flush=True,
        )
        until_closed(pages)
    return 0


def _demand_display() -> None:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise CannotError("VIRTUAL=1 opens windows, and there is no display (DISPLAY, WAYLAND_DISPLAY)")


def _vaultctl(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("vaultctl")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    if done.returncode != 0:
        raise CannotError(f"vaultctl {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

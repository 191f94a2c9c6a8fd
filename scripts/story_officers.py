"""Two officers and the ceremony that serves them, in a story."""

import json
import re
import time

from stage import Stage, Teller, differs, until
from story_keys import Keys

from vault_service.cli.init import DEMO_PASSPHRASE_FILE

_REQUESTER, _APPROVERS = "cleo", ("ana", "bob")
_TRIES = 6  # a ceremony that was killed gathers shares anew
_SERVED_WITHIN_S = 15.0  # after the shares are there


class Officers:
    """Open cases, approve them, and see that a ceremony executes them."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self.stage = stage
        self.teller = teller

    # --- what they do

    def new_key(self) -> str:
        """The label and the public key of what the ceremony made."""
        case = self.open("recovery", "open", "key-ceremony", "--reason", "the key is two years old")
        self.approve(case)
        self.executed(case)
        shown = (self.stage.home / "vault" / "log" / "ceremony.log").read_text("utf-8")
        found = re.findall(r"escrow/[0-9]+: ?04[0-9a-f]{128}", shown)
        if not found:
            differs("the ceremony shows no new key")
        self.teller.say(f"the ceremony shows {found[-1][:24]}…")
        return str(found[-1])

    def use_key(self, point: str) -> None:
        """A manifest that names it as the current one."""
        case = self.open("officer", "propose", "--escrow-key", point, "--reason", "the key of the ceremony")
        self.approve(case)
        self.executed(case)

    def seal_everything_anew(self, keys: Keys) -> None:
        """Killed as soon as the ceremony is at work; the officers release their shares to the next one."""
        case = self.open("recovery", "open", "escrow-rotation", "--reason", "a new escrow key is current")
        self.approve(case)
        keys.await_rotation("escrow")
        keys.kill("ceremony")
        for _ in range(_TRIES):
            if self.over(case):
                break
            self.release(case)
        self.executed(case)

    def destroy_key(self, gen: int) -> None:
        """Nothing is sealed to it any more."""
        case = self.open(
            "officer", "propose", "--destroy-escrow-key", str(gen), "--reason", "nothing needs it any more"
        )
        self.approve(case)
        self.executed(case)

    def drill(self) -> None:
        """Of everybody."""
        case = self.open("recovery", "open", "drill", "--everybody", "--reason", "after the rotation")
        self.approve(case)
        self.executed(case)
        (file,) = (self.stage.home / "vault" / "ceremony" / "drills").glob(f"*{case}*.json")
        report = json.loads(file.read_bytes())
        self.teller.say(f"{report['opened']} escrow wraps opened, {len(report['failed'])} did not")
        if report["failed"]:
            differs("some escrow wraps do not open")

    # --- cases

    def open(self, *command: str) -> str:
        """Its id."""
        said = self.stage.vaultctl(*command, *self._as(_REQUESTER), "--json", shown=False)
        shown = (each if len(each) < 60 else f"{each[:24]}…" for each in command)
        self.teller.command("vaultctl", *shown, "--key", f"{_REQUESTER}.key", "…")
        case = str(json.loads(said)["case_id"])
        self.teller.say(f"case {case}")
        return case

    def approve(self, case: str) -> None:
        """Each looks at it and signs; where a ceremony waits for it, the share is released at once."""
        until(f"a ceremony waits for {case}", lambda: self._show(case)["ceremonies"] or None)
        for officer in _APPROVERS:
            self.teller.command("vaultctl", "recovery", "approve", case, "--key", f"{officer}.key", "…")
            said = self.stage.vaultctl("recovery", "approve", case, *self._as(officer), "--yes", shown=False)
            self.teller.say("\n".join(said.splitlines()[:2]))

    def release(self, case: str) -> None:
        """To whichever ceremony waits by now; more than once, should it be killed again."""
        until(
            f"a ceremony waits for {case}, or it is over",
            lambda: self.over(case) or self._show(case)["ceremonies"] or None,
        )
        for officer in _APPROVERS:
            if not self.over(case):
                self.teller.command("vaultctl", "recovery", "release", "--key", f"{officer}.key", "…")
                self.teller.say(self.stage.vaultctl("recovery", "release", *self._as(officer), shown=False))
        end = time.monotonic() + _SERVED_WITHIN_S
        while time.monotonic() < end and not self.over(case):
            time.sleep(0.2)

    def executed(self, case: str) -> None:
        """Wait for it."""
        state = until(f"case {case} is over", lambda: self.over(case))
        self.teller.say(f"case {case}: {state}")
        if state != "executed":
            differs(f"case {case} is {state}")

    def over(self, case: str) -> str | None:
        """Its last state, once it has one."""
        state = str(self._show(case)["state"])
        return None if state in ("open", "executing") else state

    def _show(self, case: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            self.stage.vaultctl("recovery", "show", case, "--json", shown=False)
        )
        return found

    def _as(self, officer: str) -> tuple[str, ...]:
        folder = self.stage.officers
        return (
            "--key",
            str(folder / f"{officer}.key"),
            "--passphrase-file",
            str(folder / DEMO_PASSPHRASE_FILE),
        )

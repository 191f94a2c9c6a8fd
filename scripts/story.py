"""The whole story of a forgotten password, on a vault of its own, told as it happens (`make story`).

A scratch vault is started as `make run` starts one. Somebody stores records, forgets the password and
asks for access again; two officers make sure who is asking and approve, each with a key file; the ceremony
runs by itself; the person signs in with the new password and reads the old records; an auditor who has only
public keys verifies the trail. Ends with 1 if any step differs, and cleans up in any case.
"""

import json
import shutil
import subprocess
import sys
import time
from typing import Any

from stage import DiffersError, Stage, Teller, differs, scratch, shorten, until

from vault_service.cli.init import DEMO_PASSPHRASE_FILE
from vault_service.client import VaultClient
from vault_service.client.errors import VaultApiError, VaultClientError

LOGIN = "ana@example.org"
FORGOTTEN = "violet anchor teapot meadow"
NEW = "copper lantern under the bridge"
WRONG = "was it violet anchor kettle meadow"
RECORDS = [
    {"full_name": "Ana Silva", "phone": "+351 912 345 678"},
    {"full_name": "Rui Costa", "email": "rui@example.org"},
]


def play(stage: Stage, teller: Teller) -> None:
    """Each chapter; raises DiffersError where the story goes another way."""
    teller.chapter("A vault, with three demo officers, each with a key file")
    stage.start()
    key = stage.ready["app_key"]
    teller.say(f"ready: {', '.join(sorted(stage.ready['pids']))}")
    for file in sorted(stage.officers.glob("*.key")):
        teller.say(f"officer {file.stem}: {shorten(str(file), stage.home)}")
    with VaultClient(stage.ready["api_url"], app_key=key) as vault:
        store(vault, teller)
        case, phrase = forget(vault, teller)
        decide(stage, teller, case, phrase)
        waited = until("the ceremony has run", lambda: executed(vault, case))
        teller.chapter("The ceremony runs by itself, as soon as the second share is there")
        teller.say(f"case {case}: {waited}")
        sign_in_again(vault, teller)
    verify(stage, teller, case)


def store(vault: VaultClient, teller: Teller) -> None:
    """Ana signs up and stores what she will miss."""
    teller.chapter(f"{LOGIN} signs up and stores two records")
    vault.sign_up(LOGIN, FORGOTTEN)
    with vault.sign_in(LOGIN, FORGOTTEN) as ana:
        for fields in RECORDS:
            teller.say(f"stored {ana.records.create('contact', fields).record_id}")


def forget(vault: VaultClient, teller: Teller) -> tuple[str, str]:
    """She forgets the password and asks."""
    teller.chapter("Months later the password is forgotten")
    refused(vault, WRONG)
    teller.say(f"signed in with {WRONG!r}: refused, as it should be")
    begun = vault.recover(LOGIN, NEW)
    teller.say(f"asked for access again with a new password: case {begun.case_id}")
    teller.say(f"the app shows six words: {begun.verification_phrase}")
    stranger = vault.recover("nobody@example.org", NEW)
    teller.say(f"(asked for somebody who does not exist: case {stranger.case_id}, the same answer)")
    refused(vault, NEW)
    teller.say("the new password opens nothing yet")
    return str(begun.case_id), begun.verification_phrase


def decide(stage: Stage, teller: Teller, case: str, phrase: str) -> None:
    """Two officers make sure who is asking, and approve."""
    teller.chapter("Officers see the case; neither login nor words are shown to them")
    listed = stage.vaultctl("recovery", "list")
    if case not in listed:
        differs("the case is not in the officers' list")
    shown = stage.vaultctl("recovery", "show", case)
    if LOGIN in listed + shown or phrase in listed + shown:
        differs("the officers are shown the login or the words")
    teller.chapter("Two of them reach Ana, each in their own way, and type what she tells them")
    until("the waiting period of the demo is over", lambda: due(stage, case))
    for officer in ("ana", "bob"):
        arguments = (
            "recovery", "approve", case, "--key", str(stage.officers / f"{officer}.key"),
            "--passphrase-file", str(stage.officers / DEMO_PASSPHRASE_FILE), "--login", LOGIN,
            "--phrase", phrase, "--yes",
        )  # fmt: skip
        stage.vaultctl(*arguments)


def due(stage: Stage, case: str) -> bool | None:
    """Whether a ceremony waits for the case's shares."""
    shown = json.loads(stage.vaultctl("recovery", "show", case, "--json", shown=False))
    return True if shown["ceremonies"] else None


def executed(vault: VaultClient, case: str) -> str | None:
    """What the app is told."""
    import uuid

    status = vault.recovery(uuid.UUID(case)).status
    return status if status == "executed" else None


def sign_in_again(vault: VaultClient, teller: Teller) -> None:
    """The new password opens the old records, and the old one nothing."""
    teller.chapter("Ana signs in with the new password and reads her old records")
    with vault.sign_in(LOGIN, NEW) as ana:
        found = sorted((record.fields for record in ana.records.find(collection="contact")), key=str)
        if found != sorted(RECORDS, key=str):
            differs(f"the records are {found}")
        for fields in found:
            teller.say(f"read {fields}")
        seen = until("her list of accesses shows it", lambda: access(ana.accesses(), "access_regained"))
        teller.say(f"her own list of accesses says: {seen}")
    refused(vault, FORGOTTEN)
    teller.say("the old password opens nothing any more")


def access(accesses: Any, what: str) -> str | None:
    """The entry of that kind."""
    return next((f"{each.at:%H:%M:%S} {each.what}" for each in accesses if each.what == what), None)


def refused(vault: VaultClient, password: str) -> None:
    """This password must not open anything."""
    try:
        vault.sign_in(LOGIN, password)
    except VaultApiError as error:
        if error.code == "login.refused":
            return
        raise
    differs(f"{password!r} opened the vault")


def verify(stage: Stage, teller: Teller, case: str) -> None:
    """An auditor with public keys only."""
    teller.chapter("An auditor exports the logs and verifies them with public keys only")
    trails = stage.home / "trails"
    stage.vaultctl("audit", "export", str(trails))
    shutil.copy(trails / "audit.vkey", stage.home / "audit.vkey")
    answer = stage.vaultctl("audit", "verify", str(trails), "--key", str(stage.home / "audit.vkey"))
    if not answer.startswith("sound"):
        differs("the trail is not sound")
    teller.say("\nWhat the keys log says of the case:")
    kinds = []
    for file in sorted((trails / "keys").rglob("*")):
        if file.is_file() and case.encode() in (content := file.read_bytes()):
            lines = (json.loads(line) for line in content.splitlines() if case.encode() in line)
            for leaf in lines:
                kinds.append(leaf["kind"])
                teller.say(f"{leaf['at']}  {leaf['kind']:30} {leaf.get('officer_id', '')}")
    missing = {"case_opened", "case_approved", "wraps_peeled", "access_regained"} - set(kinds)
    if missing or kinds.count("case_approved") < 2:
        differs(f"the trail lacks {sorted(missing)}: {kinds}")


def main() -> int:
    """0: as it should be."""
    teller = Teller()
    began = time.monotonic()
    with scratch() as home:
        stage = Stage(home, teller)
        try:
            play(stage, teller)
        except (DiffersError, VaultClientError, subprocess.TimeoutExpired) as error:
            print(f"\nThe story differs: {error}", file=sys.stderr)
            return 1
        finally:
            stage.stop()
    print(f"\nAs it should be ({time.monotonic() - began:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())

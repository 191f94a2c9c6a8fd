"""Kinds of audit events: one enumeration for each trail. Numbers are stored and never reused."""

import hashlib
from enum import Enum, unique


class _Kind(Enum):
    """Not an IntEnum: a kind of one trail must not equal the kind of the other that has its number."""

    def __int__(self) -> int:
        number: int = self.value
        return number


@unique
class KeysEvent(_Kind):
    """The keys database's trail: what happened to credentials and keys."""

    USER_ENROLLED = 1
    ENROL_REFUSED = 2  # login taken
    UNLOCKED = 3
    UNLOCK_REFUSED = 4  # wrong password, unknown login, locked or tampered: the caller is not told which
    UNLOCK_THROTTLED = 5
    PASSWORD_CHANGED = 6
    PASSWORD_CHANGE_REFUSED = 7
    LOGIN_CHANGED = 8
    LOGIN_CHANGE_REFUSED = 9
    USER_ERASED = 10
    ERASE_REFUSED = 11
    ONE_TIME_PASSWORD_REISSUED = 12
    WRAP_INTEGRITY_FAILED = (
        13  # the right password was handed in or no password is needed, and a wrap is broken, or put back
    )
    APP_CREATED = 20
    APP_KEY_ADDED = 21
    APP_REVOKED = 22
    APP_REFUSED = 23
    MANIFEST_SIGNED = 30
    SHARES_STORED = 31
    LOG_RESTORED = (
        32  # this log goes on from a restored backup; digest = SHA-256 of the head that was given up
    )
    CHECKPOINT_REFUSED = 33  # a head was not signed; digest = SHA-256 of what it would have said
    RECORDS_LOG_RESTORE_ACCEPTED = 34  # the same as 32, of the other database's log
    EVENTS_SENT_AGAIN = 35  # an operator has a SIEM get a log again; digest = SHA-256 of which and from where

    # Recovery. `digest` is the case's hash, unless it says otherwise; case_id and officer_id stand beside it.
    CASE_OPENED = 40
    CASE_REFUSED = 41  # not opened: a limit, a role
    CASE_APPROVED = 42
    APPROVAL_REFUSED = 43
    CASE_VETOED = 44
    CASE_CANCELLED = 45
    CASE_EXPIRED = 46
    CASE_INTEGRITY_FAILED = 47  # a stored case was altered, or was never opened by the key service
    OFFICER_REFUSED = 48  # a call in an officer's name that the officer did not sign, or had no right to
    USER_LOOKED_UP = 49
    OFFICER_IDENTIFIED_SUBJECT = 50  # login and phrase were typed right
    IDENTIFICATION_REFUSED = 51
    CEREMONY_OPENED = 52  # digest = SHA-256 of its note
    CEREMONY_REFUSED = 53
    SHARE_RELEASED = 54  # digest = SHA-256 of the note
    WRAPS_PEELED = 55
    PEEL_REFUSED = 56
    ACCESS_REGAINED = 57
    REGAIN_COMPLETED = 58  # the first login turned it into a password wrap
    DATA_DISCLOSED = 59  # digest = SHA-256 of the disclosure's manifest
    ERASED_BY_OFFICERS = 60
    DRILL_PASSED = 61  # digest = SHA-256 of its report
    DRILL_FAILED = 62  # digest = SHA-256 of its report
    ESCROW_KEY_CREATED = 63  # digest = SHA-256 of its public key
    PIN_PREPARED = 64  # digest = SHA-256 of the new share set
    PIN_SWITCHING = 65
    PIN_ACTIVE = 66
    PIN_VOID = 67
    RECOVERY_CODE_CREATED = 68
    RECOVERY_CODE_USED = 69
    RECOVERY_CODE_REFUSED = 70
    BREAK_GLASS_USED = 71
    CASE_REOPENED = 72  # its ceremony ended without having completed it
    CEREMONY_CLOSED = 73  # digest = SHA-256 of its note

    # Rotation. `digest` of a key's event is the generation's fingerprint (kms/rotation/generations.py).
    KEY_CREATED = 80  # prepared, in the online token
    KEY_MADE_CURRENT = 81  # the one before is retiring from now on
    KEY_RETIRED = 82  # the manifest says destroyed: nothing needed it any more
    KEY_DESTROYED = 83  # it is gone from its token
    KEY_CHANGE_REFUSED = 84
    ROTATION_STARTED = 85  # digest of this and the next four: SHA-256 of what `rotate status` says of it
    ROTATION_PROGRESSED = 86
    ROTATION_PAUSED = 87
    ROTATION_RESUMED = 88
    ROTATION_FINISHED = 89
    WRAPS_VERIFIED = 90  # digest = SHA-256 of the report
    PASSWORD_REWRAPPED = 91  # at sign-in, at the cost that the policy demands by now
    DATA_KEY_ADDED = 92  # the user's DEK from now on; the one before is kept under it for a while
    DATA_KEY_DROPPED = 93  # no record is under it any more; its wraps are gone
    DATA_KEY_CHANGE_REFUSED = 94
    MANIFESTS_PUT_BACK = 96  # links that a restored database lacked; digest = SHA-256 of the newest
    DATA_KEY_ROTATION_DEMANDED = 95  # by an operator: at the user's next sign-in

    # The officers' console.
    OFFICER_SIGNED_IN = 100
    OFFICER_SIGN_IN_REFUSED = 101
    OFFICER_SIGNED_OUT = 102
    OFFICER_INVITED = 103  # digest = SHA-256 of the invitation's token
    PASSKEY_ENROLLED = 104  # waits for an officer change; digest = SHA-256 of the card
    PASSKEY_COUNTER_WENT_BACK = (
        105  # a passkey signed with a counter that is not above the last: it may be copied
    )
    AUDIT_SEARCHED = 106  # by an officer; digest = SHA-256 of what was asked, user = whom it was about
    AUDIT_EXPORTED = 107  # by an officer; digest = SHA-256 of what was asked


@unique
class RecordsEvent(_Kind):
    """The records database's trail: who touched whose data."""

    USER_ACTIVATED = 1
    SESSION_OPENED = 2
    SESSION_ENDED = 3
    SESSIONS_ENDED = 4
    SESSION_REFUSED = 5  # an old epoch: an older password wrap was put back
    RECORD_CREATED = 10
    RECORD_READ = 11
    RECORD_READ_MISSING = 12
    RECORD_UPDATED = 13
    RECORD_DELETED = 14
    RECORDS_LISTED = 15  # n = how many were shown
    RECORDS_SEARCHED = 16
    RECORDS_EXPORTED = 17
    RECORD_INTEGRITY_FAILED = 18
    ACCESSES_READ = 19
    PASSWORD_CHANGED = 20
    LOGIN_CHANGED = 21
    USER_ERASED = 22
    INTENT_REPAIRED = 23
    ONE_TIME_PASSWORD_REISSUED = 24
    ACCESS_REGAINED = 25  # by officers; this and the next two are copied from the keys log, with their ids
    DATA_DISCLOSED = 26
    OFFICER_LOOKED_UP = 27
    ERASED_BY_OFFICERS = 28
    LOG_RESTORED = (
        30  # this log goes on from a restored backup; digest = SHA-256 of the head that was given up
    )
    DATA_KEY_CHANGED = 31  # every session ends; records are under two data keys until they are re-encrypted
    RECORDS_REENCRYPTED = 32  # n = how many; 0: all of them are, and sessions forget the older data key


ASKED_TOO_EARLY = hashlib.sha256(b"recovery.not_due").digest()
"""Digest of a CEREMONY_REFUSED that says no more than that a waiting period was not over by every clock. A
ceremony asks by its own, and the witnesses' ends a second or two later: it stands after each waiting period.
"""

"""Sentences that other parts put together of words and values, in the reader's language.

The parts below know of no pages: what they say is an English sentence, for a log and a terminal too. Here is
how each is made that people meet on pages; one that is not here is shown as it stands. A test puts every
sentence of a change of officers to it.
"""

import re
from functools import cache

from vault_service.web import texts
from vault_service.web.texts import mark

_MADE = (
    # what an officer change would make other than it is: domain/manifest_difference.py
    mark("removes officer %(who)s (%(roles)s)"),
    mark("adds officer %(who)s with the roles %(roles)s, key %(key)s (passkey of %(site)s), %(accounts)s"),
    mark("adds officer %(who)s with the roles %(roles)s, key %(key)s, %(accounts)s"),
    mark("renames officer %(old)s to %(new)s"),
    mark("gives %(who)s the roles %(new)s instead of %(old)s"),
    mark("gives %(who)s a further key beside %(old)s: %(new)s (passkey of %(site)s)"),
    mark("gives %(who)s a further key beside %(old)s: %(new)s"),
    mark("re-keys %(who)s: %(old)s -> %(new)s (passkey of %(site)s)"),
    mark("re-keys %(who)s: %(old)s -> %(new)s"),
    mark("declares that %(who)s has %(accounts)s, instead of %(accounts_before)s"),
    mark("the accounts %(ids)s"),
    mark("no account here"),
    mark("names the officers in another order"),
    mark("quorum base: %(old)s -> %(new)s"),
    mark("quorum disclosure: %(old)s -> %(new)s"),
    mark("floor %(name)s: %(old)s -> %(new)s"),
    mark("changes %(name)s"),
    mark("adds %(kind)s key %(gen)s (%(state)s), SHA-256 %(digest)s"),
    mark("adds %(kind)s key %(gen)s (%(state)s)"),
    mark("leaves out %(kind)s key %(gen)s (%(state)s), SHA-256 %(digest)s"),
    mark("leaves out %(kind)s key %(gen)s (%(state)s)"),
    mark("%(kind)s key %(gen)s: %(old)s -> %(new)s, SHA-256 %(digest)s"),
    mark("%(kind)s key %(gen)s: %(old)s -> %(new)s"),
    mark("REPLACES %(kind)s key %(gen)s by another one"),
    # why an approval does not count, or is refused: crypto/approvals.py, recovery/acting.py
    mark("%(who)s opened this case"),
    mark("%(who)s is the subject of this case"),
    mark("%(who)s decides nothing"),
    mark("the signature of %(who)s is not over this case and decision"),
    mark("%(who)s has no such authenticator"),
    mark("%(who)s has another key now: this key file or passkey was replaced"),
    mark("%(who)s is not an officer (any more)"),
    mark("signed by %(who)s more than %(n)s s from this host's time"),
    # how a case stands: recovery/cases.py, kms/cases/due.py
    mark("the case is executing"),
    mark("the case is executed"),
    mark("the case is cancelled"),
    mark("the case is vetoed"),
    mark("the case is expired"),
    mark("due in %(n)s s by the key service's clock"),
    mark("%(n)s s of %(of)s s were seen to pass by the keys worker"),
    mark("%(part)s cannot be used at present"),
    mark("every escrow wrap is on escrow key %(gen)s"),
    mark("this host does not look into the %(log)s log"),
    # about a field: console/, recovery/
    mark("%(text)s is none"),
    mark("%(text)s is none of %(names)s"),
    mark("1 to %(n)s characters that print"),
    mark("%(who)s is an officer already: invite them to another passkey, or add to the name"),
    mark("%(who)s is an officer already, and keeps their roles"),
    mark("you have %(n)s passkeys already, which is the most"),
    mark("%(who)s has %(n)s passkeys: re-key instead"),
    mark("%(who)s is somebody new: say in which roles"),
    mark("manifest %(n)s changes nothing"),
    mark("manifest %(n)s names %(have)s officers with the role %(role)s, and the quorum is %(need)s"),
    mark("manifest %(n)s gives %(who)s no role, or one twice"),
    mark("manifest %(n)s names two officers alike"),
    mark("manifest %(n)s was proposed before the present manifest %(present)s was made"),
)
_BLANK = re.compile(r"%\((\w+)\)s")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Each as an expression that finds its values again.

    They are greedy: a name in quotes may read like more of the sentence, and what follows it never does.
    """
    return tuple((re.compile(_BLANK.sub(r"(?P<\1>.+)", _escaped(made)), re.DOTALL), made) for made in _MADE)


def _escaped(made: str) -> str:
    parts = _BLANK.split(made)  # text, name, text, name, ... text
    return "".join(f"%({each})s" if at % 2 else re.escape(each) for at, each in enumerate(parts))


def _value(name: str, text: str) -> str:
    return in_words(text) if name.startswith("accounts") else text  # a name stays, whatever it reads like


def in_words(sentence: str) -> str:
    """The sentence in the current language; as it stands in English, and where it is not known."""
    if texts.current().code == texts.ENGLISH:
        return sentence
    known = texts.translated(sentence)
    if known != sentence:
        return known
    for pattern, made in _patterns():
        found = pattern.fullmatch(sentence)
        if found:
            return texts.say(made, **{name: _value(name, text) for name, text in found.groupdict().items()})
    return sentence

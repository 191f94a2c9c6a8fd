"""Which passwords are refused, with which reason, and which are not."""

import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from zxcvbn_rs_py import zxcvbn

from vault_service.crypto import password_rules
from vault_service.crypto.password_patterns import Reason, find_stretches, reduce
from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import WeakPasswordError
from vault_service.policy.load import load_policies

POLICY = load_policies(Path(__file__).parents[2] / "policies").passwords
LOGIN = "ana.silva@example.org"
NAMES = ("Blue Lagoon Hotels", "vault_service")

WEAK = {
    "one character again and again": ("aaaaaaaaaaaaaaaaa", Reason.REPEATS),
    "one emoji again and again": ("😀" * 15, Reason.REPEATS),
    "a short stretch again and again": ("abcabcabcabcabc", Reason.REPEATS),
    "a random stretch three times": ("Xk9#mXk9#mXk9#m", Reason.REPEATS),
    "one word with a counter": ("test1test2test3test4", Reason.REPEATS),
    "one word with a counter and a sign": ("Summer2024!Summer2025!", Reason.REPEATS),
    "the same read backwards": ("r7kq!pmw-wmp!qk7r", Reason.MIRRORED),
    "rows of keys": ("qwertyuiopasdfgh", Reason.WALK),
    "rows of keys, German": ("qwertzuiopasdfgh", Reason.WALK),
    "rows of keys, French": ("azertyuiopqsdfgh", Reason.WALK),
    "rows of keys, Russian": ("йцукенгшщзхъфыва", Reason.WALK),
    "columns of keys": ("1qaz2wsx3edc4rfv", Reason.WALK),
    "columns of keys, German": ("1qay2wsx3edc4rfv5tgb", Reason.WALK),
    "columns of keys with shift": ("!QAZ@WSX#EDC$RFV", Reason.WALK),
    "keys pressed twice": ("qqwweerrttyyuuii", Reason.WALK),
    "an alphabet": ("abcdefghijklmnop", Reason.SEQUENCE),
    "an alphabet backwards": ("zyxwvutsrqponmlk", Reason.SEQUENCE),
    "every second letter": ("acegikmoqsuwyac", Reason.SEQUENCE),
    "a Russian alphabet": ("абвгдежзийклмнопр", Reason.SEQUENCE),
    "an alphabet with spaces": ("a b c d e f g h i j k", Reason.SEQUENCE),
    "counting down": ("9876543210987654", Reason.SEQUENCE),
    "two sequences that take turns": ("a1b2c3d4e5f6g7h8", Reason.SEQUENCE),
    "two sequences that take turns, the other first": ("1a2b3c4d5e6f7g8h", Reason.SEQUENCE),
    "an alphabet and its capitals, apart": ("aZbYcXdWeVfUgThS", Reason.SEQUENCE),
    "an alphabet and one sign": ("a!b!c!d!e!f!g!h!", Reason.SEQUENCE),
    "two words that take turns": ("p1a2s3s4w5o6r7d8", Reason.COMMON),
    "a row of keys and counting": ("q1w2e3r4t5y6u7i8o9", Reason.WALK),
    "two Russian sequences that take turns": ("а1б2в3г4д5е6ж7з8", Reason.SEQUENCE),
    "the login and counting": ("a1n2a3s4i5l6v7a8", Reason.LOGIN),
    "a date twice": ("1999-12-31 1999-12-31", Reason.DATE),
    "two dates": ("31.12.1999/01.01.2000", Reason.DATE),
    "a date in words": ("31december1999ana", Reason.DATE),
    "a common password twice": ("passwordpassword", Reason.COMMON),
    "a common password that counts": ("password12345678", Reason.COMMON),
    "a common password with a hat on": ("p4ssw0rdp4ssw0rd", Reason.COMMON),
    "a common password in wide letters": ("ｐａｓｓｗｏｒｄ１２３４５６７８", Reason.COMMON),
    "a common password with accents": ("pàsswörd pàsswörd", Reason.COMMON),
    "a common password in pieces": ("p-a-s-s-w-o-r-d-1-2-3", Reason.COMMON),
    "a common password with invisible characters": ("pass\u200bword\u00adpass\u2060word1", Reason.COMMON),
    "common passwords in a row": ("passwordletmeinwelcome", Reason.COMMON),
    "a common password and a bit": ("letmeinletmein1", Reason.COMMON),
    "a declaration of love": ("iloveyouiloveyou", Reason.COMMON),
    "Spanish for password, cut short": ("contraseñacontra", Reason.COMMON),
    "Russian for password, and counting": ("пароль123456789", Reason.COMMON),
    "a sentence that everybody knows": ("to be or not to be", Reason.COMMON),
    "days of the week, German": ("MontagDienstagMittwoch", Reason.COMMON),
    "days of the week, French, and a year": ("lundimardi2024jeudi", Reason.COMMON),
    "Chinese for I love you, in letters and in figures": ("woaini5201314520", Reason.COMMON),
    "a Spanish Christmas": ("feliznavidad2023", Reason.COMMON),
    "a declaration of love that is a sentence": ("ilovemyhusband2020", Reason.COMMON),
    "a sentence with all letters, German": ("Franz jagt im komplett verwahrlosten Taxi", Reason.COMMON),
    "the passphrase of a famous comic": ("correct horse battery staple", Reason.COMMON),
    "the login": ("ana.silva@example.org", Reason.LOGIN),
    "the login without its signs": ("anasilvaexample1", Reason.LOGIN),
    "the login in disguise": ("4N4s1lv4Ex4mple!", Reason.LOGIN),
    "the service's name": ("vault-service-vault", Reason.SERVICE),
    "the app's name and a year": ("BlueLagoonHotels2024", Reason.SERVICE),
}

STRONG = {
    "four unrelated words": "correct pony magnet staircase",
    "four words with hyphens": "velvet-harbour-otter-lunch",
    "four words joined": "kitchenorangeseventeenviolins",
    "a German passphrase": "Gartenzaun Elefant Mittwoch Suppe",
    "a Swedish passphrase": "mamma ost bil fönster katt",
    "a Russian passphrase": "почта лошадь окно снегопад",
    "a Chinese sentence": "我的狗喜欢在公园里跑步吃饭睡觉",
    "a Japanese sentence": "こんにちは私の犬は赤い自転車が好き",
    "an Arabic passphrase": "الحصان الصحيح بطارية دباسة",
    "a Hebrew passphrase": "בוקר סוס מנורה כביש",
    "a Hindi passphrase": "घोड़ा बैटरी खिड़की पहाड़",
    "a French sentence": "mon chat dort sous le vieux piano",
    "a Polish sentence with a day": "w czwartek kot babci zjada śledzie",
    "a Turkish sentence": "kedim her sabah süt içer",
    "a Vietnamese sentence": "con mèo nhà tôi thích ăn cá khô",
    "a Thai sentence": "แมวของฉันชอบกินปลาทูย่างทุกวัน",
    "a sentence with a day and a number": "Am Freitag kocht Opa 3 Suppen",
    "fifteen emoji": "🐎🔋📎✅🌧️🎻🥦🚲🧊🪁🦉🍋🗿🎲🧭",
    "random characters": "Xk9#mQ2$vL7@nR4!",
    "random hexadecimal digits": "f8e1c07a93b25d64",
    "random hexadecimal digits with some pattern in each half": "dee458e5450e35ce",
    "a sentence that also holds the first name": "Ana loves silver bicycles in winter rain",
    "a passphrase that also holds a keyboard walk": "qwerty otter lantern marmalade brook",
}


def judge(password: str) -> None:
    judge_password(password, POLICY, login=LOGIN, names=NAMES)


@pytest.mark.parametrize(("password", "reason"), WEAK.values(), ids=WEAK)
def test_a_guessable_password_is_refused_and_the_reason_is_given(password: str, reason: Reason) -> None:
    with pytest.raises(WeakPasswordError) as refused:
        judge(password)

    assert reason.value in refused.value.detail


@pytest.mark.parametrize("password", STRONG.values(), ids=STRONG)
def test_a_good_password_of_any_script_is_accepted(password: str) -> None:
    judge(password)


def test_what_counts_as_the_login_depends_on_who_asks() -> None:
    judge_password("marisolkowalczykzurich", POLICY, login="pete@example.org")

    with pytest.raises(WeakPasswordError, match="made of the login"):
        judge_password("marisolkowalczykzurich", POLICY, login="Marisol.Kowalczyk@zurich.example")


@pytest.mark.parametrize("length", [0, 1, 14])
def test_fourteen_characters_are_too_few(length: int) -> None:
    with pytest.raises(WeakPasswordError, match="shorter than 15"):
        judge("Xk9#mQ2$vL7@nR4!"[:length])


def test_fifteen_characters_are_enough() -> None:
    judge("Xk9#mQ2$vL7@nR4")


def test_characters_are_counted_after_composing() -> None:
    """Nobody should pass by typing seven letters with eight accents."""
    with pytest.raises(WeakPasswordError, match="shorter than 15"):
        judge("e\u0301" * 7 + "x")


@pytest.mark.parametrize(("length", "verdict"), [(1024, "accepted"), (1025, "refused"), (5000, "refused")])
def test_1024_characters_are_the_most(length: int, verdict: str) -> None:
    password = "".join(f"otter {n} velvet " for n in range(length))[:length]
    if verdict == "accepted":
        judge(password)
    else:
        with pytest.raises(WeakPasswordError, match="longer than 1024"):
            judge(password)


def test_a_one_time_password_is_nobodys_own() -> None:
    """Whoever chose one, in whatever spelling, would have to change it again at each sign-in."""
    one_time = "vso_" + "Kx9mQ2vL7n" * 4 + "R4a"
    for spelled in (one_time, one_time.replace("K", "\N{KELVIN SIGN}", 1)):
        with pytest.raises(WeakPasswordError, match="one-time"):
            judge(spelled)

    judge(one_time + " of mine")


@pytest.mark.parametrize("odd", [0x0000, 0xD800, 0xDFFF], ids=["NUL", "high surrogate", "low surrogate"])
def test_what_no_keyboard_makes_is_refused(odd: int) -> None:
    with pytest.raises(WeakPasswordError, match="surrogate"):
        judge(f"velvet harbour{chr(odd)} otter lunch")


@pytest.mark.parametrize("password", [entry[0] for entry in WEAK.values()], ids=WEAK)
def test_the_refusal_never_holds_any_part_of_the_password(password: str) -> None:
    """Its detail goes to an answer that apps may log."""
    with pytest.raises(WeakPasswordError) as refused:
        judge(password)

    allowed = {f"the password is too easy to guess: {'; '.join(reasons)}" for reasons in _subsets()}
    assert refused.value.detail in allowed


def _subsets() -> list[list[str]]:
    found: list[list[str]] = [[]]
    for reason in Reason:
        found += [[*known, reason.value] for known in found]
    return found


@pytest.mark.slow
@given(st.sampled_from([entry[0] for entry in WEAK.values()]), st.integers(2, 30))
@settings(max_examples=150, deadline=None)
def test_a_weak_password_repeated_is_as_weak(password: str, times: int) -> None:
    assume(len(password) * times <= POLICY.max_code_points)

    with pytest.raises(WeakPasswordError):
        judge(password * times)


@given(st.sampled_from([entry[0] for entry in WEAK.values()]), st.sampled_from([" ", "-", "_", ".", "  "]))
@settings(max_examples=60, deadline=None)
def test_a_weak_password_repeated_with_separators_is_as_weak(password: str, separator: str) -> None:
    with pytest.raises(WeakPasswordError):
        judge(separator.join([password] * 3))


@pytest.mark.slow
@given(st.text(alphabet=st.sampled_from("àéîõüñçå가각힣ἄがпйё abcde1"), min_size=10, max_size=40))
@settings(max_examples=200, deadline=None)
def test_composed_and_decomposed_spellings_are_judged_alike(password: str) -> None:
    assert _verdict(unicodedata.normalize("NFC", password)) == _verdict(
        unicodedata.normalize("NFD", password)
    )


def _verdict(password: str) -> str:
    try:
        judge(password)
    except WeakPasswordError as refused:
        return refused.detail
    return "accepted"


@pytest.mark.slow
@given(st.text(alphabet=string.ascii_letters + string.digits + "!#%&", min_size=24, max_size=200))
@settings(max_examples=150, deadline=None)
def test_long_strings_without_pattern_are_accepted(password: str) -> None:
    assume(len(set(password)) >= 18 and reduce(password)[0] == password)
    assume(not find_stretches(password.casefold(), None, None))

    judge(password)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_whatever_breaks_the_judge(password: str) -> None:
    assert _verdict(password)


@pytest.mark.parametrize("filler", ["a", "ab", "1234567890", "1a!4@", "qwerty-", "\u0301", "👨‍👩‍👧", "éà"])
def test_the_longest_passwords_cost_a_bounded_amount_of_estimating(
    filler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """zxcvbn takes far longer on long texts: it never sees more than 100 characters, nor often."""
    seen: list[int] = []
    estimate = zxcvbn

    def counting(text: str, words: list[str]) -> object:
        seen.append(len(text))
        return estimate(text, words)

    monkeypatch.setattr(password_rules, "zxcvbn", counting)
    _verdict((filler * 1024)[:1023] + "Z")

    assert max(seen) <= 100
    assert len(seen) <= 150

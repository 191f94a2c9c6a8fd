"""The verification phrase: six words that say which case two people on the telephone mean."""

import hashlib
import re
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_service.crypto.phrase import check_phrase, phrase_words, verification_phrase
from vault_service.domain.recovery_errors import IdentificationRefusedError

HASH = hashlib.sha256(b"a case").digest()
hashes = st.binary(min_size=32, max_size=32)
# Of each pair at most one may be a word: over the phone they are one.
SOUND_ALIKE = """
    aisle/isle allowed/aloud altar/alter ascent/assent bare/bear base/bass beach/beech berry/bury
    berth/birth board/bored boulder/bolder brake/break bread/bred buy/bye capital/capitol cell/sell
    cellar/seller cent/scent cereal/serial chord/cord coarse/course coral/choral core/corps
    council/counsel creak/creek cymbal/symbol current/currant cypress/cyprus dear/deer desert/dessert
    dew/due die/dye discreet/discrete dual/duel fair/fare fairy/ferry feat/feet finish/finnish fir/fur
    flea/flee flour/flower foul/fowl gait/gate genes/jeans gorilla/guerrilla grate/great grown/groan
    hail/hale hair/hare hall/haul hangar/hanger heal/heel heart/hart hoarse/horse hole/whole hour/our
    idle/idol jam/jamb key/quay kernel/colonel knead/need knight/night knot/not lead/led leak/leek
    lesson/lessen loan/lone made/maid mail/male main/mane manner/manor mantel/mantle medal/meddle
    metal/mettle miner/minor mist/missed moose/mousse morning/mourning muscle/mussel mustard/mustered
    naval/navel none/nun oar/ore one/won pail/pale pain/pane pair/pear palate/palette patience/patients
    pause/paws peace/piece peak/peek peal/peel pedal/peddle plain/plane pole/poll pore/pour pray/prey
    presence/presents prince/prints principal/principle profit/prophet rain/reign rap/wrap read/reed
    review/revue right/write ring/wring road/rode role/roll root/route row/roe rye/wry sail/sale
    sauce/source scene/seen sea/see seam/seem sew/sow sight/site size/sighs soar/sore sole/soul some/sum
    son/sun stair/stare stake/steak stationary/stationery steal/steel storey/story straight/strait
    style/stile suite/sweet sunday/sundae tail/tale team/teem tear/tier tents/tense their/there
    throne/thrown thyme/time tide/tied toad/towed toe/tow tray/trey vain/vein vale/veil wail/whale
    waist/waste wait/weight warn/worn way/weigh weak/week weather/whether which/witch wood/would
    yoke/yolk
"""


def test_there_are_2048_different_words_in_order() -> None:
    words = phrase_words()

    assert len(words) == 2048
    assert list(words) == sorted(set(words))


def test_every_word_is_easy_to_spell_on_the_telephone() -> None:
    assert [word for word in phrase_words() if not re.fullmatch(r"[a-z]{3,8}", word)] == []


def test_the_first_four_letters_tell_every_word() -> None:
    assert len({word[:4] for word in phrase_words()}) == 2048


def test_no_word_is_the_beginning_or_the_plural_of_another() -> None:
    words = phrase_words()

    assert [a for a, b in pairwise(words) if b.startswith(a)] == []


def test_no_two_words_sound_alike() -> None:
    words = set(phrase_words())

    assert [pair for pair in SOUND_ALIKE.split() if set(pair.split("/")) <= words] == []


def test_the_words_are_installed_with_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    installed = project["tool"]["setuptools"]["package-data"]["*"]

    assert any(fnmatch("phrase_words.txt", pattern) for pattern in installed)


def test_a_phrase_is_the_first_66_bits_of_the_hash_eleven_a_word() -> None:
    words = phrase_words()
    bits = "".join(f"{byte:08b}" for byte in HASH)

    assert verification_phrase(HASH).split(" ") == [
        words[int(bits[start : start + 11], 2)] for start in range(0, 66, 11)
    ]


def test_known_hashes_give_known_phrases() -> None:
    """So that a word moved in the list, and with it every client's words, does not go unnoticed."""
    assert verification_phrase(bytes(32)) == " ".join(["abacus"] * 6)
    assert verification_phrase(b"\xff" * 32) == " ".join(["zucchini"] * 6)
    assert verification_phrase(HASH) == "vertical adult monsoon reform woodland osprey"


@given(hashes, st.integers(0, 65))
def test_a_change_of_any_of_the_66_bits_changes_the_phrase(digest: bytes, place: int) -> None:
    other = (int.from_bytes(digest, "big") ^ 1 << (255 - place)).to_bytes(32, "big")

    assert verification_phrase(other) != verification_phrase(digest)


@pytest.mark.parametrize("length", [0, 9, 31, 33, 64])
def test_anything_but_a_whole_hash_has_no_phrase(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        verification_phrase(bytes(length))


@pytest.mark.parametrize(
    "spelt",
    [str.upper, str.title, lambda phrase: f"  {phrase}\n", lambda phrase: phrase.replace(" ", " \t\u00a0")],
    ids=["upper case", "titles", "white space around", "white space between"],
)
def test_case_and_white_space_do_not_matter_when_it_is_typed(spelt: Callable[[str], str]) -> None:
    check_phrase(spelt(verification_phrase(HASH)), HASH)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda words: words[:5],
        lambda words: [*words, words[0]],
        lambda words: words[::-1],
        lambda words: [*words[:5], next(w for w in phrase_words() if w != words[5])],
        lambda words: ["".join(words)],
        lambda words: [word[:4] for word in words],
        lambda words: [],
        lambda words: ["\ud800"],
        lambda words: ["a" * 10_000_000],
    ],
    ids=["five", "seven", "turned round", "one wrong", "run together", "shortened", "nothing", "no text",
         "long"],
)  # fmt: skip
def test_anything_else_is_refused_without_a_word_of_the_phrase(
    wrong: Callable[[list[str]], list[str]],
) -> None:
    words = verification_phrase(HASH).split()

    with pytest.raises(IdentificationRefusedError) as refused:
        check_phrase(" ".join(wrong(words)), HASH)

    assert not set(words) & set(re.findall("[a-z]+", f"{refused.value} {refused.value.remedy}"))


@given(hashes, hashes)
def test_another_case_s_phrase_is_refused(digest: bytes, other: bytes) -> None:
    if digest != other:
        with pytest.raises(IdentificationRefusedError):
            check_phrase(verification_phrase(other), digest)

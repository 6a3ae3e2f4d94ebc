"""Codes: how they are generated, and which of those that people type are the same."""

import random
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_management_flask.core import codes
from coupon_management_flask.text.codes import comparable

accented = st.text(
    alphabet=st.sampled_from("aeiouAEIOUñÑçÇåÅöÖßẞéÉžŽ\u017fΣ\u03c3ςΆάїЇЙйﬁ\u0301\u0308\u0327"),
    max_size=12,
)


def test_the_alphabet_has_no_look_alikes():
    assert len(codes.ALPHABET) == len(set(codes.ALPHABET)) == 31
    assert set(codes.ALPHABET).isdisjoint("01OIL")
    assert all(
        character.isascii() and (character.isdigit() or character.isupper())
        for character in codes.ALPHABET
    )


@pytest.mark.parametrize("length", [1, 8, 12, 64])
def test_a_code_has_the_length_that_was_asked_for_and_characters_of_the_alphabet_alone(length):
    code = codes.generate(length)

    assert len(code) == length
    assert set(code) <= set(codes.ALPHABET)


def test_each_character_of_the_alphabet_comes_up_about_as_often():
    drawn = Counter(codes.generate(31_000))

    # 1,000 of each are expected, with a deviation of 31. Eight deviations either way are one
    # failure in 10 ** 13 runs.
    assert set(drawn) == set(codes.ALPHABET)
    assert all(750 <= count <= 1_250 for count in drawn.values())


def test_characters_by_the_thousand_are_as_many_as_were_asked_for_and_come_up_about_as_often():
    assert [len(codes.draw(count)) for count in (0, 1, 9, 1_000)] == [0, 1, 9, 1_000]
    drawn = Counter(codes.draw(31_000))

    assert set(drawn) == set(codes.ALPHABET)
    assert all(750 <= count <= 1_250 for count in drawn.values())


def test_no_seed_foretells_a_code():
    random.seed(7)
    first = codes.generate(12)
    random.seed(7)

    assert codes.generate(12) != first


def test_codes_do_not_repeat():
    assert len({codes.generate(12) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SUMMER", "summer"),
        ("SuMmEr-7", "sUmMeR-7"),
        ("straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ЛЕТО", "лето"),
        ("caf\u00e9", "cafe\u0301"),
        ("CAF\u00c9", "cafe\u0301"),
        ("\u1e69", "S\u0307\u0323"),
        ("\u212b", "\u00e5"),
    ],
)
def test_codes_are_compared_without_case_however_their_accents_were_typed(one, other):
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CAFE", "CAFÉ"),
        ("ABC", "ABCD"),
        ("ABC-1", "ABC1"),
        ("A", "\u0410"),
        ("O0", "00"),
    ],
)
def test_different_codes_stay_different(one, other):
    assert comparable(one) != comparable(other)


@given(st.text(alphabet=codes.ALPHABET, max_size=64))
def test_a_generated_code_is_the_same_in_small_letters(code):
    assert comparable(code.lower()) == comparable(code)


@given(st.one_of(st.text(max_size=64), accented))
def test_the_comparable_form_does_not_depend_on_how_accents_were_typed(text):
    assert (
        comparable(unicodedata.normalize("NFD", text))
        == comparable(unicodedata.normalize("NFC", text))
        == comparable(text)
    )


@given(accented)
def test_the_comparable_form_does_not_depend_on_case(text):
    assert comparable(text.upper()) == comparable(text.lower()) == comparable(text)


@given(st.one_of(st.text(max_size=64), accented))
def test_the_comparable_form_is_comparable_itself(text):
    assert comparable(comparable(text)) == comparable(text)

"""Cells of files for spreadsheets, which are shown and never computed."""

import csv
from io import StringIO

import pytest

from coupon_management_flask.text import spreadsheets

FORMULAS = [
    *(f"{sign}1+1" for sign in "=+-@"),
    *(f"{sign}1" for sign in "\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"),
    *("\t1", "\r1", "\n1", " =1", "\u00a0\u3000=1", "\u200b\ufeff=1", "\t \uff1d1", "-"),
]
TEXTS = ["", "a=1", "1-2", "'=1", '"=1', "\u00e9=", "_-", "%", " a", "#=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_like_a_formula_is_text_and_comes_back_as_it_was(text):
    assert spreadsheets.no_formula(text) == f"'{text}"
    assert spreadsheets.without_guard(f"'{text}") == text


@pytest.mark.parametrize("text", TEXTS)
def test_other_text_stays_as_it_is(text):
    assert spreadsheets.no_formula(text) == text


@pytest.mark.parametrize("cell", ["", "'", "'a", "a", "=1", "''=1"])
def test_a_cell_without_a_guard_stays_as_it_is(cell):
    assert spreadsheets.without_guard(cell) == cell


def test_numbers_of_a_file_are_numbers_and_texts_are_guarded():
    lines = list(csv.reader(StringIO(spreadsheets.as_csv([["-A", -3, 'x"y', None, "a,b"]]))))

    assert lines == [["'-A", "-3", 'x"y', "", "a,b"]]

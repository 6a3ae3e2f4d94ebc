"""identity/passwords.py: Argon2id, and as much work for nobody's password as for somebody's."""

from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_management_flask.identity import passwords

from ..support.server import TEST_ENVIRONMENT


@pytest.fixture
def cost():
    """Set what one hash costs, for this test alone."""
    tests = (
        int(TEST_ENVIRONMENT["PASSWORD_HASH_MEMORY_KIB"]),
        int(TEST_ENVIRONMENT["PASSWORD_HASH_ROUNDS"]),
    )
    passwords.configure(*tests)
    yield passwords.configure
    passwords.configure(*tests)


@pytest.mark.usefixtures("cost")
def test_a_hash_verifies_its_own_password_and_no_other():
    hashed = passwords.hash_password("correct horse 1")

    assert passwords.verify("correct horse 1", hashed)
    assert not passwords.verify("Correct horse 1", hashed)
    assert not passwords.verify("correct horse 1 ", hashed)
    assert not passwords.verify("", hashed)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_passwords_are_compared_to_the_character(one, other):
    passwords.configure(8, 1)

    assert passwords.verify(other, passwords.hash_password(one)) == (other == one)


@pytest.mark.usefixtures("cost")
def test_equal_passwords_have_different_hashes():
    assert passwords.hash_password("correct horse 1") != passwords.hash_password("correct horse 1")


def test_a_hash_is_argon2id_with_the_configured_work_and_holds_no_password(cost):
    cost(64, 3)

    hashed = passwords.hash_password("correct horse 1")

    assert hashed.startswith("$argon2id$v=19$m=64,t=3,p=1$")
    assert "correct" not in hashed


def test_what_was_hashed_with_other_figures_still_verifies(cost):
    hashed = passwords.hash_password("correct horse 1")

    cost(64, 3)

    assert passwords.verify("correct horse 1", hashed)
    assert not passwords.verify("wrong horse 1", hashed)


@pytest.mark.usefixtures("cost")
def test_nothing_is_the_password_of_an_account_without_one():
    assert not passwords.verify("correct horse 1", None)
    assert not passwords.verify("", None)


@pytest.mark.usefixtures("cost")
@pytest.mark.parametrize(("length", "looked_at"), [(4096, True), (4097, False), (1_000_000, False)])
def test_a_password_longer_than_any_that_was_ever_set_is_wrong(length, looked_at):
    stored = passwords.hash_password("x" * 4096)

    assert passwords.verify("x" * length, stored) is looked_at


def seconds(password, hashed):
    """Return the best of five tries: a disturbance only ever adds time."""
    taken = []
    for _ in range(5):
        began = perf_counter()
        passwords.verify(password, hashed)
        taken.append(perf_counter() - began)
    return min(taken)


def test_an_unknown_account_takes_as_long_as_a_wrong_password(cost):
    cost(8 * 1024, 2)
    wrong = seconds("wrong horse 1", passwords.hash_password("correct horse 1"))

    assert wrong / 3 < seconds("wrong horse 1", None) < wrong * 3
    assert wrong / 3 < seconds("x" * 5000, passwords.hash_password("correct horse 1")) < wrong * 3

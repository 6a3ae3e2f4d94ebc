"""core/claims.py: a claim that is lost is explained, or tried again."""

import pytest

from coupon_management_flask.core import errors
from coupon_management_flask.core.claims import TRIES, Overtaken, claim_or_explain


class Gone(errors.Refused):
    name = "gone"


def losing(*losses):
    """A claim that loses in these ways, one after the other, and then wins what it was given."""
    waiting = list(losses)

    def claim(seen):
        if waiting:
            raise waiting.pop(0)
        return seen

    return claim


def test_a_claim_that_wins_is_not_explained():
    assert claim_or_explain(losing(), "first", lambda: pytest.fail("nothing was lost")) == "first"


@pytest.mark.parametrize("loss", [errors.Exhausted, errors.LimitReached, Overtaken])
def test_what_is_seen_after_a_loss_is_claimed_next(loss):
    assert claim_or_explain(losing(loss), "first", lambda: "second") == "second"


def test_a_loss_that_has_a_reason_is_refused_for_it():
    def explain():
        raise Gone

    with pytest.raises(Gone):
        claim_or_explain(losing(errors.Exhausted), "first", explain)


def test_other_refusals_are_no_losses_unless_it_is_said():
    with pytest.raises(errors.InsufficientCredit):
        claim_or_explain(losing(errors.InsufficientCredit), "first", lambda: "second")

    claim = losing(errors.InsufficientCredit)
    assert claim_or_explain(claim, "first", lambda: "second", lost=(errors.Refused,)) == "second"


def test_who_loses_for_no_reason_too_often_is_asked_to_come_back():
    seen = []

    with pytest.raises(errors.Unavailable):
        claim_or_explain(losing(*[Overtaken] * TRIES), "first", lambda: seen.append(1))
    assert len(seen) == TRIES

    assert claim_or_explain(losing(*[Overtaken] * (TRIES - 1)), "first", lambda: "last") == "last"

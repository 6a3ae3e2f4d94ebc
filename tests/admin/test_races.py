"""Administrators who act at the same moment."""

from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from coupon_management_flask.admin import service
from coupon_management_flask.core import errors
from coupon_management_flask.db.failures import retried
from coupon_management_flask.db.session import db
from coupon_management_flask.models import Account

from ..support.people import make_user

pytestmark = pytest.mark.both_databases


def test_of_two_who_take_the_role_from_each_other_one_keeps_it(app):
    for changes in ({"role": "user"}, {"is_active": False}):
        pair = [make_user(role="administrator")[0] for _ in range(2)]
        start, outcomes = Barrier(2), []

        def take(
            mine: Any,
            theirs: Any,
            changes: Any = changes,
            start: Barrier = start,
            outcomes: list[Any] = outcomes,
        ) -> None:
            with app.app_context():
                start.wait(timeout=10)
                try:
                    retried(service.change_account)(theirs, changes, by=mine)
                    outcomes.append("done")
                except errors.Forbidden:
                    outcomes.append("refused")
                finally:
                    db.session.remove()

        threads = [Thread(target=take, args=(mine, theirs)) for mine, theirs in (pair, pair[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)

        assert sorted(outcomes) == ["done", "refused"]
        left = db.session.scalars(
            sa.select(Account.id).where(
                Account.id.in_(pair), Account.role == "administrator", Account.is_active
            )
        ).all()
        assert len(left) == 1

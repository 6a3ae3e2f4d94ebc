"""What two users and an administrator do in any order.

The service answers as a model of a few lines says, and the books add up.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from coupon_management_flask.audit.rules import discrepancies

from ..conftest import empty_tables
from ..support.people import make_coupon, make_user, sign_in

USERS = ("alice", "bob")
CODES = ("ABC", "BCD", "CDE")
PAST, FUTURE = "2026-01-02T03:04:05Z", "2100-01-02T03:04:05Z"

_users, _coupons, _codes = (
    st.sampled_from(USERS),
    st.integers(0, 1),
    st.sampled_from([*CODES, "abc", "bcd", "cde"]),
)
_changes = {
    "value": st.sampled_from([0, 30, 90]),
    "number_left": st.integers(0, 2),
    "hidden_code": _codes,
    "expiration_date": st.sampled_from([FUTURE, FUTURE, PAST]),
    "active": st.sampled_from([True, True, True, False]),
}
_step = st.one_of(
    *[st.tuples(st.just("use_by_code"), _users, _codes)] * 6,
    *[st.tuples(st.just("use_chosen"), _users, _coupons, _codes)] * 3,
    *[st.tuples(st.just("change_coupon"), _coupons, st.fixed_dictionaries({}, optional=_changes))]
    * 2,
    st.tuples(st.just("change_credit"), _users, st.sampled_from([-1000, -100, -30, 30, 100])),
    st.tuples(st.just("deactivate"), _coupons),
)
# A length is drawn first, for Hypothesis' own lists are five long on the average.
_steps = st.integers(0, 40).flatmap(
    lambda length: st.lists(_step, min_size=length, max_size=length)
)


@dataclass
class Coupon:
    hidden_code: str
    value: int = 30
    number_left: int = 2
    expiration_date: str = FUTURE
    active: bool = True
    users: set[str] = field(default_factory=set)


class Model:
    """The contract in plain Python, without a database.

    An answer is its status and what must be in it.
    """

    def __init__(self) -> None:
        self.credit = dict.fromkeys(USERS, 100)
        self.coupons = [Coupon(code) for code in CODES[:2]]

    def _coupon_of(self, code: str) -> Coupon | None:
        return next(
            (coupon for coupon in self.coupons if coupon.hidden_code.lower() == code.lower()), None
        )

    def use_by_code(self, user: str, code: str) -> tuple[Any, ...]:
        coupon = self._coupon_of(code)
        return (404, "coupon_not_found") if coupon is None else self._use(user, coupon)

    def use_chosen(self, user: str, number: int, code: str) -> tuple[Any, ...]:
        coupon = self.coupons[number]
        return (
            self._use(user, coupon)
            if coupon is self._coupon_of(code)
            else (400, "wrong_hidden_code")
        )

    def _use(self, user: str, coupon: Coupon) -> tuple[Any, ...]:
        for refuses, name in (
            (not coupon.active, "coupon_inactive"),
            (coupon.expiration_date == PAST, "coupon_expired"),
            (coupon.number_left == 0, "coupon_exhausted"),
            (user in coupon.users, "coupon_already_used"),
            (self.credit[user] < coupon.value, "insufficient_credit"),
        ):
            if refuses:
                return 400, name
        coupon.number_left -= 1
        coupon.users.add(user)
        self.credit[user] -= coupon.value
        return 200, coupon.value, coupon.number_left, self.credit[user]

    def change_credit(self, user: str, amount: int) -> tuple[Any, ...]:
        if self.credit[user] + amount < 0:
            return 400, "insufficient_credit"
        self.credit[user] += amount
        return 200, self.credit[user]

    def change_coupon(self, number: int, changes: dict[str, Any]) -> tuple[Any, ...]:
        if "hidden_code" in changes and self._coupon_of(changes["hidden_code"]) not in (
            None,
            self.coupons[number],
        ):
            return 409, "hidden_code_taken"
        for name, value in changes.items():
            setattr(self.coupons[number], name, value)
        return 200, self.shown(number)

    def deactivate(self, number: int) -> tuple[Any, ...]:
        return self.change_coupon(number, {"active": False})

    def shown(self, number: int) -> dict[str, Any]:
        return {
            name: value for name, value in vars(self.coupons[number]).items() if name != "users"
        }


class Service:
    """Put the same questions to the service."""

    def __init__(self, client: Any) -> None:
        self.people = {
            username: sign_in(client, *make_user(username=username, credit=100))
            for username in USERS
        }
        self.admin = sign_in(client, *make_user(username="admin", role="administrator"))
        self.coupons = [
            make_coupon(
                hidden_code=code,
                value=30,
                number_left=2,
                expiration_date=datetime.fromisoformat(FUTURE),
            ).id
            for code in CODES[:2]
        ]

    def use_by_code(self, user: str, code: str) -> tuple[Any, ...]:
        return self._used(self.people[user].post(f"/v1/coupons/use/{code}"))

    def use_chosen(self, user: str, number: int, code: str) -> tuple[Any, ...]:
        return self._used(
            self.people[user].post(
                f"/v1/coupons/{self.coupons[number]}/use", json={"hidden_code": code}
            )
        )

    def _used(self, answer: Any) -> tuple[Any, ...]:
        return _told(
            answer,
            lambda data: (
                data["redemption"]["credit_spent"],
                data["redemption"]["coupon"]["number_left"],
                data["credit"],
            ),
        )

    def change_credit(self, user: str, amount: int) -> tuple[Any, ...]:
        answer = self.admin.post(
            f"/v1/user/{self.people[user].id}/credit", json={"amount": amount, "reason": "gift"}
        )
        return _told(answer, lambda data: (data["user"]["credit"],))

    def change_coupon(self, number: int, changes: dict[str, Any]) -> tuple[Any, ...]:
        return _told(self.admin.patch(f"/v1/coupons/{self.coupons[number]}", json=changes), _terms)

    def deactivate(self, number: int) -> tuple[Any, ...]:
        return _told(self.admin.delete(f"/v1/coupons/{self.coupons[number]}"), _terms)

    def state(self) -> tuple[dict[str, int], list[dict[str, Any]]]:
        users = self.admin.get("/v1/user?per_page=100").json["data"]["users"]
        coupons = self.admin.get("/v1/coupons?all=true").json["data"]["coupons"]
        return {user["username"]: user["credit"] for user in users if user["username"] in USERS}, [
            _terms({"coupons": coupon})[0] for coupon in coupons
        ]

    def uses(self) -> Counter[tuple[str, int]]:
        """Return how often who has used which coupon, as each user is told."""
        told = (
            (name, person.get("/v1/coupons/mine?per_page=100").json["data"]["redemptions"])
            for name, person in self.people.items()
        )
        return Counter(
            (name, self.coupons.index(UUID(use["coupon"]["id"])))
            for name, redemptions in told
            for use in redemptions
        )


def _told(answer: Any, facts: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
    if answer.status_code != 200:
        return answer.status_code, answer.json["error"]["error_code"]
    return 200, *facts(answer.json["data"])


def _terms(data: dict[str, Any]) -> tuple[dict[str, Any]]:
    return ({name: value for name, value in data["coupons"].items() if name not in ("id", "name")},)


@settings(max_examples=40, deadline=None)
@given(_steps)
@example(
    [
        ("change_coupon", 0, {"number_left": 1}),
        ("use_by_code", "alice", "ABC"),
        ("use_chosen", "alice", 0, "abc"),
        ("use_by_code", "bob", "ABC"),
    ]
)
@example(
    [
        ("change_credit", "bob", -100),
        ("use_by_code", "bob", "BCD"),
        ("change_coupon", 1, {"value": 0}),
        ("use_by_code", "bob", "BCD"),
    ]
)
def test_the_service_answers_as_the_model_says_and_the_books_add_up(shared_app, steps):
    with shared_app.app_context():
        empty_tables()
        model, service = Model(), Service(shared_app.test_client())

        for verb, *what in steps:
            assert getattr(service, verb)(*what) == getattr(model, verb)(*what), (verb, *what)

        assert service.state() == (model.credit, [model.shown(0), model.shown(1)])
        assert service.uses() == Counter(
            (user, number) for number, coupon in enumerate(model.coupons) for user in coupon.users
        )
        assert list(discrepancies()) == []

"""GET /api/user/promo/history."""

from ...support.people import make_coupon, make_user, sign_in
from ...support.promos import activate, publish
from .shapes import page

PATH = "/api/user/promo/history"


def test_the_history_has_an_entry_for_each_activation_latest_first(company, alice):
    promos = [publish(company) for _ in range(3)]
    order = [0, 2, 0, 1, 2, 0]

    for number in order:
        activate(alice, promos[number])

    assert page(alice.get(PATH)) == (6, [promos[number] for number in reversed(order)])
    assert page(alice.get(f"{PATH}?limit=2&offset=3")) == (6, [promos[0], promos[2]])


def test_activations_of_one_moment_keep_the_order_in_which_they_came(company, alice, now_is):
    now_is("2025-06-15T12:00:00Z")
    promos = [publish(company) for _ in range(4)]

    for promo in promos:
        activate(alice, promo)

    assert page(alice.get(PATH)) == (4, promos[::-1])


def test_an_entry_shows_the_promo_as_it_is_now(company, alice):
    promo = publish(company, max_count=2, target={"country": "us"})
    activate(alice, promo)
    alice.post(f"/api/user/promo/{promo}/like")
    company.patch(
        f"/api/business/promo/{promo}",
        json={"description": "Changed since then", "target": {"country": "fr"}, "max_count": 1},
    )

    entries = alice.get(PATH).json

    assert entries == [alice.get(f"/api/user/promo/{promo}").json]
    assert entries[0] == {
        "promo_id": promo,
        "company_id": company.id,
        "company_name": "Corner Shop",
        "description": "Changed since then",
        "active": False,
        "is_activated_by_user": True,
        "like_count": 1,
        "is_liked_by_user": True,
        "comment_count": 0,
    }


def test_a_unique_promo_stands_there_as_often_as_it_gave_a_value(company, alice):
    promo = publish(company, mode="UNIQUE", promo_unique=["HELLO-1", "HELLO-2"])
    values = [activate(alice, promo) for _ in range(2)]

    answer = alice.get(PATH)

    assert page(answer) == (2, [promo, promo])
    assert [value for value in values if value in answer.get_data(as_text=True)] == []


def test_what_others_activated_is_not_in_it(company, alice, bob):
    promo, other = publish(company), publish(company)
    activate(alice, promo)
    activate(bob, other)

    assert page(alice.get(PATH)) == (1, [promo])
    assert page(bob.get(PATH)) == (1, [other])


def test_a_refused_activation_is_not_in_it(company, alice):
    alice.post(f"/api/user/promo/{publish(company, max_count=0)}/activate")
    alice.post(f"/api/user/promo/{publish(company, target={'country': 'fr'})}/activate")

    assert page(alice.get(PATH)) == (0, [])


def test_what_was_liked_or_discussed_only_is_not_in_it(company, alice):
    promo = publish(company)
    alice.post(f"/api/user/promo/{promo}/like")
    alice.post(f"/api/user/promo/{promo}/comments", json={"text": "A comment of some length."})

    assert page(alice.get(PATH)) == (0, [])


def test_coupons_of_the_credit_contract_are_not_in_it(app, client, company):
    person = sign_in(client, *make_user(username="eve", credit=100))
    assert person.post(f"/v1/coupons/use/{make_coupon().hidden_code}").status_code == 200
    promo = publish(company)
    activate(person, promo)

    assert page(person.get(PATH)) == (1, [promo])

"""/api/vouchers/types/."""

import pytest

from ..support.refusals import refusal
from ..support.vouchers import NOBODYS, PATH, bought, buy, fields, redeem, sell, type_body


def test_anybody_sees_the_active_types_by_creation(client, admin):
    one, two, _ = (sell(admin, is_active=is_active) for is_active in (True, True, False))

    answer = client.get(f"{PATH}/types/")

    assert (answer.status_code, answer.json) == (
        200,
        {"count": 2, "next": None, "previous": None, "results": [one, two]},
    )
    page = client.get(f"{PATH}/types?page_size=1&page=2").json
    assert (page["results"], page["next"], page["previous"]) == (
        [two],
        None,
        "http://localhost/api/vouchers/types?page_size=1&page=1",
    )
    assert set(fields(client.get(f"{PATH}/types/?page_size=101"))) == {"page_size"}


def test_an_administrator_puts_a_type_on_sale(admin):
    whole = {
        "name": "School Application",
        "description": "One school",
        "price": 25.5,
        "currency": "EUR",
        "service_type": "school_application",
        "is_active": False,
        "validity_days": 30,
        "max_uses": 3,
    }

    answer = admin.post(f"{PATH}/types/", json=whole)

    by_other_names = {"type_code": "school_application", "usage_limit": 3}
    assert answer.status_code == 201
    assert answer.json == {"id": answer.json["id"], **whole, **by_other_names}
    least = {"name": "x", "price": "0.10", "service_type": "x"}
    told = {
        "description": "",
        "price": 0.1,
        "currency": "USD",
        "is_active": True,
        "validity_days": 365,
        "max_uses": 1,
    }
    answer = admin.post(f"{PATH}/types/", json=least)
    by_other_names = {"type_code": "x", "usage_limit": 1}
    assert answer.json == {"id": answer.json["id"], **least, **told, **by_other_names}


def test_a_wrong_field_is_named_and_nothing_is_made_or_changed(admin, voucher_books):
    kind = sell(admin)
    before = voucher_books()

    assert set(fields(admin.post(f"{PATH}/types/", json=type_body(price="1,5")))) == {"price"}
    answer = admin.patch(f"{PATH}/types/{kind['id']}/", json={"max_uses": 0, "id": NOBODYS})
    assert set(fields(answer)) == {"max_uses", "id"}

    assert voucher_books() == before


def test_a_price_has_its_currencys_decimals(admin, voucher_books):
    yen = sell(admin, price=1000, currency="JPY")
    assert sell(admin, price="1.125", currency="KWD")["price"] == 1.125
    before = voucher_books()

    assert set(
        fields(admin.post(f"{PATH}/types/", json=type_body(price="0.5", currency="JPY")))
    ) == {"price"}
    assert set(fields(admin.post(f"{PATH}/types/", json=type_body(price="0.005")))) == {"price"}
    assert set(fields(admin.patch(f"{PATH}/types/{yen['id']}/", json={"price": 9.5}))) == {"price"}
    assert voucher_books() == before
    # The amount stays what it is.
    assert admin.patch(f"{PATH}/types/{yen['id']}/", json={"currency": "USD"}).json == {
        **yen,
        "currency": "USD",
    }
    admin.patch(f"{PATH}/types/{yen['id']}/", json={"price": 9.5})
    assert set(fields(admin.patch(f"{PATH}/types/{yen['id']}/", json={"currency": "JPY"}))) == {
        "price"
    }


def test_a_change_changes_what_it_names_and_sold_vouchers_keep_uses_and_days(admin, carol, kind):
    (voucher,) = bought(carol, kind)
    changes = {"price": 20, "max_uses": 5, "validity_days": 1, "name": "New name"}

    answer = admin.patch(f"{PATH}/types/{kind['id']}/", json=changes)

    assert (answer.status_code, answer.json) == (200, {**kind, **changes, "usage_limit": 5})
    assert admin.patch(f"{PATH}/types/{kind['id']}/", json={}).json == answer.json
    assert carol.get(f"{PATH}/detail/{voucher['code']}/").json == {
        **voucher,
        "voucher_type": answer.json,
    }
    assert bought(carol, kind)[0]["total_uses"] == 5


def test_a_deleted_type_is_off_sale_and_its_vouchers_stay_good(
    client, admin, carol, kind, voucher_books
):
    (voucher,) = bought(carol, kind)

    for _ in range(2):
        answer = admin.delete(f"{PATH}/types/{kind['id']}/")
        assert (answer.status_code, answer.data) == (204, b"")

    assert client.get(f"{PATH}/types/").json["results"] == []
    before = voucher_books()
    assert set(fields(buy(carol, kind))) == {"voucher_type_id"}
    assert voucher_books() == before
    assert redeem(carol, voucher).status_code == 200
    assert admin.patch(f"{PATH}/types/{kind['id']}/", json={"is_active": True}).json == kind
    assert len(bought(carol, kind)) == 1


def test_types_are_the_administrators_business(client, alice, admin, kind, voucher_books):
    before = voucher_books()
    calls = (
        ("POST", f"{PATH}/types/", {}),
        ("PATCH", f"{PATH}/types/{kind['id']}/", {"price": "x"}),
        ("DELETE", f"{PATH}/types/x/", None),
    )

    for method, path, body in calls:
        assert refusal(client.open(path, method=method, json=body), "vouchers") == (
            401,
            "authentication_required",
        )
        assert refusal(alice.request(method, path, json=body), "vouchers") == (
            403,
            "permission_denied",
        )
    for method, body in (("PATCH", {"price": 1}), ("DELETE", None)):
        assert set(fields(admin.request(method, f"{PATH}/types/x/", json=body))) == {"type_id"}
        assert refusal(
            admin.request(method, f"{PATH}/types/{NOBODYS}/", json=body), "vouchers"
        ) == (404, "voucher_type_not_found")

    assert voucher_books() == before


def test_an_idempotency_key_makes_one_type(admin, voucher_books):
    answers = [
        admin.post(f"{PATH}/types/", json=type_body(name="once"), headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    assert len(voucher_books()["voucher_types"]) == 1


@pytest.mark.parametrize("path", ["types/x/y", "nothing", ""])
def test_a_path_that_is_not_there_is_told_in_the_contracts_words(client, path):
    assert refusal(client.get(f"{PATH}/{path}"), "vouchers") == (404, "not_found")

"""POST /api/v1/coupons/import: every line of a CSV file is a coupon, or none is.

In that case each bad line is named with its reason.
"""

import io
import tracemalloc
from itertools import count

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.discount_coupons import CONTRACT
from coupon_management_flask.discount_coupons.bulk import imports, lines, write
from coupon_management_flask.models import DiscountCoupon, DiscountCouponTarget, Stock
from coupon_management_flask.web import security

from ...support.discounts import PATH
from ...support.refusals import refusal
from .conftest import codes_there

pytestmark = pytest.mark.both_databases

HEADER = "code,type,discount,couponFor"


@pytest.fixture
def upload(shop):
    def upload(*lines, end="\r\n", **options):
        body = lines[0] if isinstance(lines[0], bytes) else end.join(lines).encode()
        return shop.post(f"{PATH}/import", data=body, **{"content_type": "text/csv", **options})

    return upload


def counts():
    return [
        db.session.scalar(sa.select(sa.func.count()).select_from(table))
        for table in (DiscountCoupon, DiscountCouponTarget, Stock)
    ]


def test_each_line_becomes_a_coupon(shop, upload, alice):
    answer = upload(HEADER, "summer-10,percentage,10,product", "FIVE,fixed,5.50,product")

    assert (answer.status_code, answer.json) == (201, {"imported": 2})
    assert codes_there() == ["SUMMER-10", "FIVE"]
    five = shop.get(f"{PATH}/code/five").json
    assert (
        five["type"],
        five["discount"],
        five["maxUsage"],
        five["isActive"],
        five["currency"],
    ) == ("fixed", 5.5, None, True, "USD")
    # They are as public as those that were made one by one.
    assert alice.get(PATH).json["totalResults"] == 2


def test_all_fields_of_a_coupon_can_stand_in_columns(shop, upload):
    body = {
        "code": "ALL",
        "type": "fixed",
        "discount": 5.5,
        "couponFor": "minPurchase",
        "products": ["a b", "2"],
        "minPurchaseAmount": 20,
        "isActive": False,
        "maxUsage": 7,
        "description": 'say "hi", twice',
        "currency": "CHF",
        "startsAt": "2026-01-01T00:00:00Z",
        "expiresAt": "2027-01-01T00:00:00Z",
        "categories": ["x"],
        "excludedProducts": ["3"],
        "excludedCategories": ["y"],
        "customerIds": ["c1", "c2"],
        "firstOrderOnly": True,
        "maxDiscountAmount": 4,
        "combinable": True,
        "exclusiveGroup": "g",
        "priority": -3,
        "base": "initial",
        "schedule": {
            "weekdays": [1, 7],
            "from": "09:00",
            "until": "17:00",
            "timezone": "Europe/Berlin",
        },
        "limits": {
            "perCustomer": 1,
            "perDay": 2,
            "perWeek": 3,
            "perMonth": 4,
            "perCustomerPerDay": 5,
            "budget": 6.5,
        },
    }
    made = shop.post(PATH, json={**body, "code": "BY-HAND"}).json
    flat = {}
    for name, value in body.items():
        flat |= (
            {f"{name}.{key}": inner for key, inner in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
    assert set(flat) == {"code", *lines.COLUMNS} - {"schedule", "limits"}
    cells = [
        ";".join(map(str, value)) if isinstance(value, list) else str(value)
        for value in flat.values()
    ]

    assert (
        upload(
            ",".join(flat), ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
        ).status_code
        == 201
    )

    own = {"id", "code", "createdAt", "updatedAt"}
    imported = shop.get(f"{PATH}/code/ALL").json
    assert {name: value for name, value in imported.items() if name not in own} == {
        name: value for name, value in made.items() if name not in own
    }
    assert (
        shop.post(
            f"{PATH}/validate", json={"code": "ALL", "cartTotal": 30, "productIds": ["2"]}
        ).json["message"]
        == "Coupon is not active"
    )


def test_empty_cells_blank_lines_any_line_ends_and_a_byte_order_mark_are_no_trouble(shop, upload):
    for end in ("\n", "\r\n", "\r"):
        code = {"\n": "NNN", "\r\n": "RNN", "\r": "RRR"}[end]
        body = end.join(
            [
                "\ufeff" + HEADER + ",maxUsage,products",
                f'{code},percentage,10,product,,"',
                '"',
                "",
                f"{code}-2,fixed,1,product,1,1;2",
                "",
            ]
        )
        assert upload(body.encode()).json == {"imported": 2}, end
    assert shop.get(f"{PATH}/code/NNN-2").json["products"] == ["1", "2"]


def test_each_bad_line_is_named_with_its_reason_and_nothing_is_made(shop, upload):
    shop.new(code="TAKEN")
    before = counts()
    lines = [
        HEADER + ",minPurchaseAmount",
        "GOOD,percentage,10,product,",
        "no good,percentage,10,product,",
        "HALF,percentage,101,product,",
        '"MULTI","percentage","10","product","\n"',
        "MINIMUM,percentage,10,minPurchase,",
        "TYPE,free,10,product,",
        "SHORT,percentage",
        ",percentage,10,product,",
        "NUMBER,percentage,ten,product,",
        "CENTS,fixed,1.001,product,",
    ]

    answer = upload(*lines)

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    message = answer.json["message"]
    # The fifth line holds a line end.
    bad = {
        3: "code",
        4: "discount",
        7: "minPurchaseAmount",
        8: "type",
        9: "2 fields",
        10: "code",
        11: "discount",
        12: "discount",
    }
    told = message.split("line ")[1:]
    assert [int(part.partition(":")[0]) for part in told] == list(bad)
    for part, word in zip(told, bad.values(), strict=True):
        assert word in part
    assert counts() == before

    answer = upload(
        HEADER,
        "GOOD,percentage,10,product",
        "taken,percentage,10,product",
        "TWICE,fixed,1,product",
        "FINE,fixed,1,product",
        "twice,fixed,1,product",
    )

    assert answer.status_code == 400
    assert (
        answer.json["message"]
        == "line 3: Coupon code already taken line 6: Coupon code already taken"
    )
    assert counts() == before


def test_what_is_no_such_file_is_refused(upload):
    bad = [
        *(
            b"",
            b"\r\n",
            HEADER.encode(),
            (HEADER + "\r\n\r\n").encode(),
            b"{}",
            b"\xff\xfe",
            (HEADER + "\nA").encode() + b"\xe9,percentage,10,product",
        ),
        *(
            f"{HEADER},color\nAAA,fixed,1,product,red".encode(),
            f"{HEADER},code\nAAA,fixed,1,product,BBB".encode(),
            b"code,type,discount\nAAA,fixed,1",
        ),
        *(
            f'{HEADER}\nAAA,fixed,1,"product'.encode(),
            f"{HEADER}\nAA\x00A,fixed,1,product".encode(),
            f'{HEADER}\n"AAA"A,fixed,1,product'.encode(),
        ),
        f"{HEADER},maxUsage\nAAA,fixed,1,product,1.5".encode(),
        f"{HEADER},isActive\nAAA,fixed,1,product,1".encode(),
        f"{HEADER},limits\nAAA,fixed,1,product,1".encode(),
        f"{HEADER},limits.perDay\nAAA,fixed,1,product,-1".encode(),
        f"{HEADER},schedule.weekdays\nAAA,fixed,1,product,8".encode(),
        f"{HEADER},products\nAAA,fixed,1,product,1;;2".encode(),
    ]
    for body in bad:
        assert refusal(upload(body), "discount_coupons") == (400, "validation_error"), body
    assert counts() == [0, 0, 0]


def test_of_many_bad_lines_the_first_thousand_are_told_and_the_others_counted(upload):
    answer = upload(HEADER, *["x,fixed,1,product"] * 1500)

    assert answer.json["message"].count("line ") == 1000
    assert answer.json["message"].endswith("more: 500 further lines.")


@pytest.mark.parametrize(
    "body",
    [
        b"," * 500_000,
        b",".join(b"c%d" % number for number in range(50_000)),
        b"x" * 100_000 + b",code\nAAA,1",
        HEADER.encode() + b"\n" + b"," * 1_000_001,
        HEADER.encode() + b"\n" + b'"\n",' * 300_000,
        HEADER.encode() + b'\n"' + b"\n" * 1_500_000,
    ],
    ids=["columns", "names", "a name", "fields", "fields of several lines", "one field"],
)
def test_a_row_of_any_length_is_refused_in_a_few_words(upload, body):
    answer = upload(body)

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert len(answer.data) < 2_000
    assert counts() == [0, 0, 0]


def test_files_larger_than_a_bit_are_written_bit_by_bit_and_are_all_or_nothing_too(
    upload, monkeypatch
):
    monkeypatch.setattr(write, "ROWS_AT_ONCE", 50)
    lines = [
        f"C-{number},{'fixed' if number % 2 else 'percentage'},{number % 7},product,{number % 3}"
        for number in range(500)
    ]

    assert upload(HEADER + ",products", *lines, lines[0]).status_code == 400
    assert counts() == [0, 0, 0]

    assert upload(HEADER + ",products", *lines).json == {"imported": 500}
    assert counts() == [500, 500, 500]


def test_the_same_idempotency_key_imports_once(upload):
    answers = [
        upload(HEADER, "ONCE,fixed,1,product", headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert (answers[0].status_code, answers[0].data) == (201, answers[1].data)
    assert counts()[0] == 1
    assert (
        upload(HEADER, "OTHER,fixed,1,product", headers={"Idempotency-Key": "k"}).status_code == 422
    )


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["streamed", "with_a_key"])
def test_a_file_may_be_larger_than_other_bodies_and_one_that_is_too_large_is_413(
    upload, monkeypatch, headers
):
    assert CONTRACT.body_limit(f"{PATH}/import") == 64 * 1024 * 1024
    monkeypatch.setitem(CONTRACT.larger_bodies, f"{PATH}/import", 5 * 1024 * 1024)
    padding = "x" * 1000
    lines = [
        f"{HEADER},description",
        *(f"C-{number},fixed,1,product,{padding}" for number in range(4500)),
    ]
    assert upload(*lines, headers=headers).status_code == 201

    too_large = upload(*lines, *lines[1:], headers=dict.fromkeys(headers, "other"))

    assert refusal(too_large, "discount_coupons") == (413, "body_too_large")
    # Not even where nobody said how long it would be.
    body = io.BytesIO("\n".join([*lines, *lines[1:]]).encode())
    chunked = upload(
        b"",
        input_stream=body,
        environ_overrides={"wsgi.input_terminated": True},
        headers=dict.fromkeys(headers, "third"),
    )
    assert refusal(chunked, "discount_coupons") == (413, "body_too_large")
    assert counts()[0] == 4500


class Watched(io.BytesIO):
    """A body that notes how much of it was read at once."""

    most = 0

    def read(self, size=-1):
        piece = super().read(size)
        self.most = max(self.most, len(piece))
        return piece


def test_a_large_file_with_a_key_is_recognised_and_read_bit_by_bit(upload):
    padding = "x" * 1000
    lines = [
        f"{HEADER},description",
        *(f"C-{number},fixed,1,product,{padding}" for number in range(1200)),
    ]
    content = "\n".join(lines).encode()
    bodies = [Watched(content), Watched(content), Watched(content.replace(b"C-7,", b"D-7,"))]

    answers = [
        upload(
            b"", input_stream=body, content_length=len(content), headers={"Idempotency-Key": "k"}
        )
        for body in bodies
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert [body.most for body in bodies] == [security.CHUNK] * 3
    assert counts()[0] == 1200


def test_what_a_file_needs_in_memory_does_not_grow_with_it(app, monkeypatch):
    monkeypatch.setattr(write, "ROWS_AT_ONCE", 200)
    number = count()

    def peak(number_of_lines):
        body = [
            f"{HEADER}\n".encode(),
            *(f"M-{next(number)},fixed,1,product\n".encode() for _ in range(number_of_lines)),
        ]
        tracemalloc.start()
        try:
            made = imports.import_coupons(None, iter(body), currency="EUR")
            assert made == imports.Imported(number_of_lines)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)
    assert peak(6000) < 2 * peak(600)

"""Files as spreadsheets write them are imported, and what is exported opens right in them."""

import csv
import io
import json

import pytest

from coupon_management_flask.discount_coupons.bulk import imports

from ...support.discounts import PATH
from ...support.refusals import refusal
from .conftest import codes_there, deliver_due

pytestmark = pytest.mark.both_databases

HEADER = ["code", "type", "discount", "couponFor"]
LINE = ["AAA", "fixed", "1", "product"]
SCHEDULE = {"weekdays": [1, 5], "from": "09:00", "until": "17:00", "timezone": "Europe/Berlin"}


@pytest.fixture
def upload(shop):
    """Send a file of these lines, as a spreadsheet writes them."""

    def upload(*lines, delimiter=",", encoding="utf-8"):
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(lines)
        body = text.getvalue().encode(encoding)
        return shop.post(f"{PATH}/import", data=body, content_type="text/csv")

    return upload


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_may_be_separated_as_any_spreadsheet_does(shop, upload, delimiter, encoding):
    answer = upload(
        [*HEADER, "products", "description", "schedule"],
        [*LINE, "1;2", f"one{delimiter} two", json.dumps(SCHEDULE)],
        delimiter=delimiter,
        encoding=encoding,
    )

    assert (answer.status_code, answer.json) == (201, {"imported": 1}), answer.text
    made = shop.get(f"{PATH}/code/AAA").json
    assert made["products"] == ["1", "2"]
    assert made["description"] == f"one{delimiter} two"
    assert made["schedule"] == SCHEDULE


def test_empty_columns_and_lines_behind_the_others_and_another_case_are_no_trouble(upload):
    answer = upload(
        [" Code", "TYPE", "Discount", "COUPONFOR ", "Limits.perday", "", " "],
        [*LINE, "", "", ""],
        ["BBB", *LINE[1:], "2", "", "", "", ""],
        # Some leave the empty ones out.
        ["CCC", *LINE[1:]],
        [""] * 7,
    )

    assert (answer.status_code, answer.json) == (201, {"imported": 3}), answer.text
    assert codes_there() == ["AAA", "BBB", "CCC"]


def test_a_cell_under_no_column_and_a_missing_one_are_told(upload):
    answer = upload(HEADER, [*LINE, "more"], ["BBB", "fixed", "1"], [*LINE[:3], "product", ""])

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert answer.json["message"] == (
        "line 2: It has 5 fields, the header has 4. line 3: It has 3 fields, the header has 4."
    )


@pytest.mark.parametrize("length", [131_073, 900_000])
def test_a_cell_of_any_length_is_a_bad_line_among_others(upload, length):
    answer = upload(
        [*HEADER, "description", "products"],
        ["AAA", *LINE[1:], "x" * length, ""],
        ["BBB", *LINE[1:], "", "y" * length],
        ["CC", *LINE[1:], "", ""],
        ["DDD", *LINE[1:], "", ""],
    )

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    told = answer.json["message"].split("line ")[1:]
    assert [one.partition(":")[0] for one in told] == ["2", "3", "4"]
    assert "description: Length must be between 0 and 1000." in told[0]
    assert "products" in told[1]
    assert len(answer.data) < 1_000
    assert codes_there() == []


def test_a_list_may_be_as_long_as_the_contract_allows(shop, upload):
    products = [f"{number:0>20}" for number in range(10_000)]

    assert upload([*HEADER, "products"], [*LINE, ";".join(products)]).status_code == 201
    assert shop.get(f"{PATH}/code/AAA").json["products"] == products


def test_a_long_cell_of_a_large_file_is_told_by_its_batch(shop, upload, monkeypatch):
    monkeypatch.setattr(imports, "MADE_AT_ONCE", 1)
    answer = upload([*HEADER, "description"], [*LINE, "x" * 200_000], ["BBB", *LINE[1:], ""])
    assert answer.status_code == 202, answer.text

    while deliver_due():
        pass

    batch = shop.get(f"{PATH}/batches/{answer.json['batchId']}").json
    assert batch["status"] == "failed"
    assert batch["badLines"] == [
        {"line": 2, "reason": "description: Length must be between 0 and 1000."}
    ]


@pytest.mark.parametrize(
    ("columns", "cells", "told"),
    [
        (["schedule"], ["Mo-Fr"], "schedule"),
        (["schedule"], ["{}x"], "schedule"),
        (["schedule"], ["[1]"], "schedule"),
        (["schedule"], ['{"timezone": "localtime"}'], "schedule.timezone: No time zone"),
        (["schedule"], ['{"weekdays": ["1"]}'], "schedule.weekdays"),
        (["limits"], ['{"perDay": -1}'], "limits.perDay"),
        (["schedule.from", "schedule"], ["09:00", "{}"], "schedule: It stands in a column"),
        (["schedule", "schedule.from"], ["{}", "09:00"], "schedule: It stands in a column"),
    ],
)
def test_a_schedule_that_is_none_is_told(upload, columns, cells, told):
    answer = upload([*HEADER, *columns], [*LINE, *cells])

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert answer.json["message"].startswith("line 2: ")
    assert told in answer.json["message"]


def test_what_is_in_a_cell_of_its_own_is_as_if_its_fields_were(shop, upload):
    answer = upload(
        [*HEADER, "schedule", "limits", "schedule.weekdays", "limits.budget"],
        ["JSON", *LINE[1:], '{"weekdays": [1, 2]}', '{"budget": 5.5}', "", ""],
        ["CELLS", *LINE[1:], "", "", "1;2", "5.5"],
    )
    assert answer.status_code == 201, answer.text

    one, other = (shop.get(f"{PATH}/code/{code}").json for code in ("JSON", "CELLS"))
    assert one["schedule"] == other["schedule"] == {"weekdays": [1, 2]}
    assert one["limits"] == other["limits"] == {"budget": 5.5}


def test_codes_that_begin_like_a_formula_are_text_in_a_file_and_come_back_from_one(
    shop, upload, generate
):
    batch = generate(pattern="-########", count=2).json
    exported = shop.get(f"{PATH}/batches/{batch['batchId']}/codes.csv")
    assert exported.data.startswith(b"\xef\xbb\xbfcode\r\n'-")
    made = codes_there()
    for coupon in shop.get(PATH).json["results"]:
        assert shop.delete(f"{PATH}/{coupon['id']}").status_code == 204

    cells = list(csv.reader(io.StringIO(exported.data.decode("utf-8-sig"))))
    assert upload(HEADER, *([*line, *LINE[1:]] for line in cells[1:])).status_code == 201

    assert codes_there() == made

"""`/api/v1/coupons/generate`, `/batches` and `/import`: codes in bulk."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Response, jsonify, stream_with_context

from ... import config
from ...web.body import Headers, Routes
from ...web.guard import actor, guard
from ...web.rates import limit_batches, limit_reports
from ...web.security import body_in_chunks
from ..described import BULK
from ..errors import DiscountErrorSchema
from . import batches, generation, imports, schemas

routes: Routes = Routes(
    "coupon-batches",
    __name__,
    error_schema=DiscountErrorSchema(),
    described=BULK,
    url_prefix="/api/v1/coupons",
    description="Codes in bulk",
)

CSV = {"type": "string", "description": "The first line names the columns."}
# Clients send it as a file, however large.
CSV_FILE = {**CSV, "format": "binary"}
_batch = schemas.BatchSchema()
AS_A_FILE: Headers = {
    "Content-Disposition": {
        "description": "The name to keep it under.",
        "required": True,
        "schema": {"type": "string"},
    }
}


@routes.route("/generate", methods=["POST"])
@guard(permission="manageCoupons", api_key=True)
@limit_batches
@routes.arguments(schemas.NewBatch())
@routes.response(201, _batch, description="They are there.")
@routes.response(
    202,
    _batch,
    description="They are being made; more than 1,000 are made in the background.",
)
def generate_codes(body: dict[str, Any]) -> tuple[batches.Batch, int]:
    """Make a batch of single-use codes"""
    batch = generation.generate(actor().id, **body, currency=config.current().currency)
    return batch, 201 if batch.status == batches.BatchStatus.DONE else 202


@routes.route("/batches/<batch_id>", methods=["GET"])
@guard(permission="manageCoupons", api_key=True)
@routes.response(200, _batch)
@routes.refuses(400, 404)
def read_batch(batch_id: UUID) -> batches.Batch:
    """How far a batch is"""
    return batches.read(batch_id)


@routes.route("/batches/<batch_id>/codes.csv", methods=["GET"])
@guard(permission="manageCoupons", api_key=True)
@limit_reports
@routes.response(200, CSV, content_type="text/csv", headers=AS_A_FILE)
@routes.refuses(400, 404, 409)
def download_codes(batch_id: UUID) -> Response:
    """The codes of a batch that is done, a line each after a header"""
    lines = ("".join(f"{code}\r\n" for code in page) for page in batches.codes_of(batch_id))
    return Response(
        stream_with_context(_after("code\r\n", lines)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{batch_id}.csv"'},
    )


def _after(header: str, lines: Iterator[str]) -> Iterator[str]:
    yield header
    yield from lines


@routes.route("/import", methods=["POST"])
@guard(permission="manageCoupons", api_key=True)
@limit_batches
@routes.doc(requestBody={"required": True, "content": {"text/csv": {"schema": CSV_FILE}}})
@routes.response(201, schemas.ImportedSchema(), description="They are there.")
@routes.alt_response(
    202,
    schema=_batch,
    description="They are being made; more than 10,000 are made in the background.",
)
@routes.refuses(400, 413, 429)
def import_coupons() -> imports.Imported | tuple[Response, int]:
    """Make a coupon of each line of a CSV, all or none

    Columns are a coupon's fields, such as `limits.perDay` and `schedule.from`. The parts of a list
    are separated by `;`. Files with more than 200,000 of these are made in the background too. What
    is made there can't be found or used before all is there, but its codes are taken.
    """
    made = imports.import_coupons(actor().id, body_in_chunks(), currency=config.current().currency)
    if isinstance(made, imports.Imported):
        return made
    return jsonify(_batch.dump(made)), 202

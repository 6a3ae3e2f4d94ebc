"""The shapes of codes in bulk."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from ...web.body import BoundedSchema, Whole
from ...web.typed import NewCode
from ..schemas.coupons import CouponTemplate
from ..schemas.fields import Answer, Wire
from .batches import BatchStatus

MOST_CODES = 1_000_000


class Template(ma.fields.Nested):
    """A coupon without a code. It is checked, and kept as it was written."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        partial: Any = None,
        **kwargs: Any,
    ) -> Any:
        super()._deserialize(value, attr, data, partial, **kwargs)
        return value


class NewBatch(BoundedSchema):
    count = Whole(1, MOST_CODES, required=True)
    pattern = NewCode(
        3,
        20,
        load_default="##########",
        rules=[validate.Regexp(r"[A-Za-z0-9_#-]+\Z", error="Letters, digits, -, _ and # only.")],
        metadata={
            "pattern": "^[A-Za-z0-9_#-]{3,20}$",
            "description": "Each # is a random character.",
        },
    )
    template = Template(CouponTemplate(), required=True)


class BadLineSchema(Wire):
    line = ma.fields.Integer(required=True, metadata={"description": "From 1 on."})
    reason = ma.fields.String(required=True)


class BatchSchema(Answer):
    omit_none = True

    batch_id = ma.fields.UUID(required=True)
    status = ma.fields.String(required=True, metadata={"enum": [*map(str, BatchStatus)]})
    count = ma.fields.Integer(required=True)
    done = ma.fields.Integer(
        required=True,
        metadata={"description": "How many are made. None is there before all are."},
    )
    bad_lines = ma.fields.List(
        ma.fields.Nested(BadLineSchema()),
        metadata={
            "description": "Of an import that has failed: up to 1,000 lines that are wrong, "
            "or whose code is taken."
        },
    )


class ImportedSchema(ma.Schema):
    imported = ma.fields.Integer(
        required=True,
        metadata={"description": "How many coupons there were in the file, and are here now."},
    )

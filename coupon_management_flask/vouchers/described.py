"""What the API description says of vouchers. Examples are of the demo data."""

from ..web.operations import Described, Operations
from .errors import (
    VoucherCancelled,
    VoucherExpired,
    VoucherFrozen,
    VoucherNotFound,
    VoucherTypeNotFound,
    VoucherUsedUp,
    WrongServiceType,
)

# Of the samples that `flask create-sample-vouchers` and the demo data have.
TYPE_ID = "019aa6f0-0000-7000-8000-000000000001"
_TYPE = {"type_id": TYPE_ID}
_VOUCHER = {"code": "EXAM-2345-6789"}
_VOUCHER_OF_YOURS = "the code of a voucher of yours, such as `purchase_vouchers` gives"
_PAGE = {"page": 1, "page_size": 20}

TYPES: Operations = {
    "list_types": Described("list_voucher_types", query=_PAGE),
    "create_type": Described(
        "create_voucher_type",
        body={"name": "Transcript", "price": 12.5, "currency": "USD", "service_type": "transcript"},
    ),
    "change_type": Described(
        "change_voucher_type",
        refuses=(VoucherTypeNotFound,),
        path=_TYPE,
        body={"description": "Results of this year's exams"},
    ),
    "deactivate_type": Described(
        "deactivate_voucher_type",
        refuses=(VoucherTypeNotFound,),
        path={"type_id": "019aa6f0-0000-7000-8000-000000000004"},
    ),
}

VOUCHERS: Operations = {
    "redeem": Described(
        "redeem_voucher",
        refuses=(
            VoucherNotFound,
            VoucherCancelled,
            VoucherFrozen,
            VoucherExpired,
            VoucherUsedUp,
            WrongServiceType,
        ),
        body={**_VOUCHER, "service_type": "exam_results", "details": {"desk": 4}},
        needs=_VOUCHER_OF_YOURS,
    ),
    "list_vouchers": Described("list_my_vouchers", query={**_PAGE, "status": "active"}),
    "read_voucher": Described(refuses=(VoucherNotFound,), path=_VOUCHER, needs=_VOUCHER_OF_YOURS),
    "draw_svg": Described(
        "draw_voucher_as_svg", refuses=(VoucherNotFound,), path=_VOUCHER, needs=_VOUCHER_OF_YOURS
    ),
    "draw_png": Described(
        "draw_voucher_as_png", refuses=(VoucherNotFound,), path=_VOUCHER, needs=_VOUCHER_OF_YOURS
    ),
    "stats": Described("read_voucher_stats"),
    "list_usages": Described("list_voucher_uses", query=_PAGE),
}

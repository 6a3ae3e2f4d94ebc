"""How each contract tells its clients that something is wrong."""

import re

from werkzeug.test import TestResponse

# One path prefix for each contract, and one that belongs to none.
PREFIXES = {
    "credit_coupons": "/v1",
    "promos": "/api/user",
    "discount_coupons": "/api/v1",
    "email_coupons": "/api/coupons",
    "vouchers": "/api/vouchers",
    "elsewhere": "/elsewhere",
}

# What the voucher contract's errors say beside the fields.
TOLD = {"error_code", "message"}

# The names of statuses in `/v1`.
CREDIT_WORDS = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "REQUEST_ENTITY_TOO_LARGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


def error_body(contract: str, status: int, error_code: str, message: str) -> dict:
    """Return a contract's body for an error that names no field, without the time of `/v1`."""
    match contract:
        case "credit_coupons":
            error = {"message": message, "error_code": error_code}
            return {
                "http_status_code": status,
                "http_status": CREDIT_WORDS[status],
                "data": {},
                "error": error,
            }
        case "discount_coupons":
            return {"code": status, "message": message, "error_code": error_code}
        case "email_coupons":
            return {"detail": message, "error_code": error_code}
        case "vouchers":
            return {
                "detail" if status in (401, 403, 429) else "error": message,
                "error_code": error_code,
                "message": message,
            }
        case _:
            return {"status": "error", "message": message, "error_code": error_code}


def refusal(answer: TestResponse, contract: str = "credit_coupons") -> tuple[int, str]:
    """Check that an error has the contract's exact body, whatever its message.

    Returns its status and name.
    """
    assert answer.status_code >= 400, answer.text
    assert answer.mimetype == "application/json"
    body = dict(answer.json)
    if contract == "credit_coupons":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body.pop("timestamp"))
    told = body["error"] if contract == "credit_coupons" else body
    message = next(told[name] for name in ("message", "detail", "error") if name in told)
    assert isinstance(message, str)
    assert message
    assert body == error_body(contract, answer.status_code, told["error_code"], message)
    return answer.status_code, told["error_code"]

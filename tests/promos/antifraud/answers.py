"""What activations answer."""

from coupon_management_flask.db.engines import SERVER_THREADS

# So many requests of a worker may wait for the antifraud service.
PLACES = SERVER_THREADS // 2

ACTIVATED = {"promo": "tea-10"}


def activate(user, promo_id, **options):
    return user.post(f"/api/user/promo/{promo_id}/activate", **options)


def refusal(answer):
    """Return status and name of an error whose body has what the contract says and nothing more.

    The sentence may be any.
    """
    assert answer.json.keys() == {"status", "message", "error_code"}, answer.json
    assert answer.json["status"] == "error"
    assert isinstance(answer.json["message"], str)
    return answer.status_code, answer.json["error_code"]


REFUSED = (403, "antifraud_refused")
UNAVAILABLE = (503, "service_unavailable")

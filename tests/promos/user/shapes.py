"""How requests of the promo contract are made wrong, and how its answers look."""

NO_OBJECT = [b"", b"{", b"null", b"[]", b'"text"', b'{"name": NaN}', b'{"name": "\xff"}']
NO_TEXT = [7, 1.5, True, None, [], {}, ["text"]]
NO_WHOLE_NUMBER = ["7", "", 7.0, True, None, [], {}]


class Absent:
    """Stands for a value where the field is not there."""


def replaced(body, path, value):
    """Return a copy of the body with another value at a path such as `other.age`."""
    name, _, rest = path.partition(".")
    if rest:
        return {**body, name: replaced(body[name], rest, value)}
    return {
        **{key: kept for key, kept in body.items() if key != name},
        **({} if value is Absent else {name: value}),
    }


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def refusal(answer):
    """Return status and name of an error whose body has what the contract says and nothing more.

    The sentence may be any.
    """
    assert answer.mimetype == "application/json"
    assert answer.json.keys() == {"status", "message", "error_code"}, answer.json
    assert answer.json["status"] == "error"
    assert isinstance(answer.json["message"], str)
    assert answer.json["message"]
    return answer.status_code, answer.json["error_code"]


def page(answer, key="promo_id"):
    """Return X-Total-Count and the ids on the page."""
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return int(answer.headers["X-Total-Count"]), [item[key] for item in answer.json]

"""HEAD: what GET answers, without the body."""

import re

from coupon_management_flask.models import new_id

# They differ from one answer to the next.
CHANGING = {"Date", "X-Request-ID"}


def told(answer):
    return {name: value for name, value in answer.headers if name not in CHANGING}


def test_head_has_the_status_and_the_headers_of_get_wherever_get_works(app, client, admin):
    for rule in app.url_map.iter_rules():
        # A refresh spends its token, metrics count these requests, and the pages of /admin share
        # what is one request's elsewhere. Files are Flask's.
        if (
            "GET" not in rule.methods
            or rule.rule in ("/metrics", "/v1/auth/token/refresh")
            or rule.rule.startswith("/admin")
            or "<path:" in rule.rule
        ):
            continue
        path = re.sub(r"<(?:\w+:)?\w+>", str(new_id()), rule.rule)
        for headers in ({}, admin.credentials()):
            whole = client.get(path, headers=headers)
            head = client.head(path, headers=headers)
            assert (head.status_code, head.data) == (whole.status_code, b""), path
            assert told(head) == told(whole), path
            whole.close()

"""The description of the API is valid and complete, and its page needs no other host."""

import gzip
import re
from html.parser import HTMLParser

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from coupon_management_flask import __version__, create_app

from ..conftest import settings_for

# Not part of the API: its description, what operators read, and what browsers load.
UNDESCRIBED = {
    "/openapi.json",
    "/docs",
    "/docs/swagger-ui/<path:name>",
    "/docs/static/<path:filename>",
    "/metrics",
}
UNDESCRIBED |= {"/popup.js", "/dev/mailbox", "/dev/mailbox/<key>", "/reset-password"}

# They take a body, and change nothing that an Idempotency-Key could keep from happening twice.
PRICE_CHECKS = {
    f"POST /api/v1/coupons/{call}" for call in ("validate", "apply", "apply-all", "best")
}

# Routes that answer something other than JSON, by the end of their path.
OTHER_KINDS = {
    "/unsubscribe": "text/html",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    return create_app(settings_for(f"sqlite:///{tmp_path_factory.mktemp('openapi')}/empty.db"))


@pytest.fixture(scope="module")
def client(application):
    return application.test_client()


@pytest.fixture(scope="module")
def spec(client):
    return client.get("/openapi.json").json


def operations(spec):
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def answers_of(spec, operation):
    """Return what an operation may answer, with what it shares with others in its place."""
    shared = spec["components"].get("responses", {})
    return {
        status: shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        for status, answer in operation["responses"].items()
    }


def test_the_description_is_valid_openapi_3_1(spec):
    assert spec["openapi"] == "3.1.0"
    assert spec["info"]["version"] == __version__
    assert list(OpenAPIV31SpecValidator(spec).iter_errors()) == []


def test_every_route_is_described_with_its_methods_and_nothing_else_is(application, spec):
    routes = {
        f"{method} {re.sub('<[^<>]+>', '{}', rule.rule)}"
        for rule in application.url_map.iter_rules()
        if rule.rule not in UNDESCRIBED and not rule.rule.startswith("/admin/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert {re.sub(r"{\w+}", "{}", name) for name, _ in operations(spec)} == routes


def test_every_variable_of_a_path_is_described(spec):
    for name, operation in operations(spec):
        described = {
            parameter["name"]
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "path"
        }
        assert described == set(re.findall(r"{(\w+)}", name)), name


def test_paths_that_differ_in_names_of_variables_alone_are_one(spec):
    alike = [re.sub(r"{\w+}", "{}", path) for path in spec["paths"]]
    assert len(alike) == len(set(alike))
    assert set(spec["paths"]["/v1/coupons/{hidden_code_or_coupon_id}"]) == {
        "get",
        "patch",
        "delete",
    }


def test_every_operation_says_what_it_does_and_what_it_answers(spec):
    for name, operation in operations(spec):
        assert operation.get("summary"), name
        assert operation.get("tags"), name
        answers = answers_of(spec, operation)
        assert any(status.startswith("2") for status in answers), name
        assert {"500", "503"} <= set(answers), name
        # No contract has a body for statuses that are not listed.
        assert "default" not in answers, name
        for status, answer in answers.items():
            assert answer["description"], (name, status)
            other = next(
                (kind for ending, kind in OTHER_KINDS.items() if name.endswith(ending)), None
            )
            kind = other if other is not None and status == "200" else "application/json"
            assert status == "204" or answer["content"][kind]["schema"], (name, status)


def test_what_follows_from_a_guard_a_body_or_a_variable_is_documented(spec):
    for name, operation in operations(spec):
        answers = set(operation["responses"])
        parameters = operation.get("parameters", [])
        has_key = any(parameter["name"] == "Idempotency-Key" for parameter in parameters)
        if operation["security"]:
            assert "401" in answers, name
        if "requestBody" in operation or any(
            parameter["in"] == "query" for parameter in parameters
        ):
            assert "400" in answers, name
        if has_key:
            assert {"400", "409", "422"} <= answers, name
        # Signing in and out ignore the key: they are safe to repeat in their own way.
        changes = not name.startswith("GET") and name not in PRICE_CHECKS
        if operation["security"] and "/auth/" not in name:
            assert has_key == changes, name
        if re.search(r"{\w*id}", name):
            assert {"400", "404"} <= answers, name


def test_operations_that_anybody_may_call_say_so_by_asking_for_nothing(client, spec):
    for name, operation in operations(spec):
        method, path = name.split()
        status = client.open(re.sub(r"{\w+}", "x", path), method=method).status_code
        assert (status == 401) is bool(operation["security"]), name


def test_what_a_stranger_is_answered_is_documented_as_it_is(client, spec):
    for name, operation in operations(spec):
        method, path = name.split()
        answer = client.open(re.sub(r"{\w+}", "x", path), method=method, data=b"{}")
        described = answers_of(spec, operation)[str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"]

        OAS31Validator({**schema, "components": spec["components"]}).validate(answer.json)

        (properties,) = (
            spec["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
            for reference in schema.values()
        )
        assert set(answer.json) <= set(properties), name
        if "x-error-codes" in described:
            told = answer.json.get("error")
            told = told if isinstance(told, dict) else answer.json
            assert told["error_code"] in described["x-error-codes"], name


def test_a_password_never_goes_out(spec):
    for name, schema in spec["components"]["schemas"].items():
        # An error may say what is wrong with one.
        properties = schema.get("properties", {})
        if "password" in properties and "error_code" not in properties:
            assert properties["password"].get("writeOnly"), name


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [
            value for name, value in attributes if name in ("src", "href", "action", "data-openapi")
        ]


def test_the_page_refers_to_no_other_host_and_all_that_it_refers_to_is_served(client):
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    links = _Links()
    links.feed(page.text)

    assert len(links.found) >= 4
    assert "/openapi.json" in links.found
    for link in links.found:
        assert re.match(r"/(?!/)", link), link
        with client.get(link) as served:
            assert served.status_code == 200, link
            assert served.data, link
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/swagger-ui/swagger-ui-bundle.js"])
def test_what_is_long_comes_packed_and_is_sent_again_only_where_it_has_changed(client, path):
    plain, packed = client.get(path), client.get(path, headers={"Accept-Encoding": "br, gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    asked = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    again = client.get(path, headers=asked)
    assert (again.status_code, again.data) == (304, b"")
    # The two forms are different bodies.
    assert plain.headers["ETag"] != packed.headers["ETag"]


def test_the_script_of_the_page_asks_no_other_host(client):
    links = _Links()
    links.feed(client.get("/docs").text)
    (script,) = [link for link in links.found if link.endswith("docs.js")]

    with client.get(script) as served:
        assert "validatorUrl: null" in served.text
        assert "://" not in served.text


@pytest.mark.parametrize(
    "path",
    [
        "/docs/swagger-ui/../requirements.txt",
        "/docs/swagger-ui/%2e%2e/flask_swagger_ui.py",
        "/docs/static/../web/guard.py",
        "/docs/swagger-ui/none.js",
    ],
)
def test_the_page_serves_its_own_files_and_no_others(client, path):
    assert client.get(path).status_code == 404

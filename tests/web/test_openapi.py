"""The description of the API is valid and complete, and its page needs no other host."""

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
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


def test_the_description_is_valid_openapi_3_1(spec):
    assert spec["openapi"] == "3.1.0"
    assert spec["info"]["version"] == __version__
    assert list(OpenAPIV31SpecValidator(spec).iter_errors()) == []


def test_every_route_is_described_with_its_methods_and_nothing_else_is(application, spec):
    routes = {
        method + " " + re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for rule in application.url_map.iter_rules()
        if rule.rule not in UNDESCRIBED and not rule.rule.startswith("/admin/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert {name for name, _ in operations(spec)} == routes


def test_every_variable_of_a_path_is_described(spec):
    for path, methods in spec["paths"].items():
        shared = {
            parameter["name"]
            for parameter in methods.get("parameters", [])
            if parameter["in"] == "path"
        }
        for method, operation in methods.items():
            if method != "parameters":
                own = {
                    parameter["name"]
                    for parameter in operation.get("parameters", [])
                    if parameter["in"] == "path"
                }
                assert shared | own == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_operation_says_what_it_does_and_what_it_answers(spec):
    for name, operation in operations(spec):
        assert operation.get("summary"), name
        assert operation.get("tags"), name
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers), name
        assert {"500", "503"} <= set(answers), name
        # No contract has a body for statuses that are not listed.
        assert "default" not in answers, name
        for status, answer in answers.items():
            assert answer["description"], (name, status)
            other = next(
                (kind for ending, kind in OTHER_KINDS.items() if name.endswith(ending)), None
            )
            is_page = name.endswith("/unsubscribe") and status == "400"
            kind = other if (other and status == "200") or is_page else "application/json"
            assert status == "204" or answer["content"][kind]["schema"], (name, status)


def test_what_follows_from_a_guard_a_body_or_a_variable_is_documented(spec):
    for name, operation in operations(spec):
        answers = set(operation["responses"])
        parameters = [
            parameter
            for parameter in operation.get("parameters", [])
            if isinstance(parameter, dict)
        ]
        has_key = any(parameter["name"] == "Idempotency-Key" for parameter in parameters)
        if "security" in operation:
            assert "401" in answers, name
        if "requestBody" in operation or any(
            parameter["in"] == "query" for parameter in parameters
        ):
            assert "400" in answers, name
        if has_key:
            assert {"400", "409", "422"} <= answers, name
        # Signing in and out ignore the key: they are safe to repeat in their own way.
        changes = not name.startswith("GET") and name not in PRICE_CHECKS
        if "security" in operation and "/auth/" not in name:
            assert has_key == changes, name
        if re.search(r"{\w*id}", name):
            assert {"400", "404"} <= answers, name


def test_operations_that_anybody_may_call_say_so_by_asking_for_nothing(client, spec):
    for name, operation in operations(spec):
        method, path = name.split()
        status = client.open(re.sub(r"{\w+}", "x", path), method=method).status_code
        assert (status == 401) is bool(operation.get("security")), name


def test_what_a_stranger_is_answered_is_documented_as_it_is(client, spec):
    for name, operation in operations(spec):
        method, path = name.split()
        answer = client.open(re.sub(r"{\w+}", "x", path), method=method, data=b"{}")
        if path.endswith("/unsubscribe"):
            assert (answer.status_code, answer.mimetype) == (400, "text/html")
            continue
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"][
            "schema"
        ]

        OAS31Validator({**schema, "components": spec["components"]}).validate(answer.json)

        (properties,) = (
            spec["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
            for reference in schema.values()
        )
        assert set(answer.json) <= set(properties), name


def test_a_password_never_goes_out(spec):
    for name, schema in spec["components"]["schemas"].items():
        # An error may say what is wrong with one.
        if "password" in schema.get("properties", {}) and "error_code" not in schema["properties"]:
            assert schema["properties"]["password"].get("writeOnly"), name


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

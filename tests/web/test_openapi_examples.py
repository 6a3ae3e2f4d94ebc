"""Every example of the API description, sent as it stands to a service with the example data."""

import re
from urllib.parse import quote

import pytest

from ..support.people import make_user, sign_in
from .test_openapi import answers_of, operations

# How a company and a user sign up, and then in.
COMPANY, USER = "POST /api/business/auth/sign-up", "POST /api/user/auth/sign-up"
SIGNING_IN = {
    COMPANY: "POST /api/business/auth/sign-in",
    USER: "POST /api/user/auth/sign-in",
}


class Reader:
    """Somebody who reads the description and tries each operation in it."""

    def __init__(self, client):
        self.client = client
        self.spec = client.get("/openapi.json").json
        self.operations = dict(operations(self.spec))
        self.tokens = {}

    def request(self, name):
        """Return the method, the path and the options of a request, by its examples alone."""
        operation = self.operations[name]
        method, path = name.split()
        query = {}
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                value = quote(str(parameter["example"]), safe="")
                path = path.replace(f"{{{parameter['name']}}}", value)
            elif parameter["in"] == "query" and "example" in parameter:
                query[parameter["name"]] = parameter["example"]
        options = {"query_string": {key: in_a_query(value) for key, value in query.items()}}
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            given = "json" if kind == "application/json" else "data"
            options[given] = content["example"]
        return method, path, options

    def send(self, name):
        method, path, options = self.request(name)
        scheme = next((key for one in self.operations[name]["security"] for key in one), None)
        if scheme is not None:
            options["headers"] = {"Authorization": f"Bearer {self.token(name, scheme)}"}
        return self.client.open(path, method=method, **options)

    def token(self, name, scheme):
        if scheme == "companyToken":
            return self.tokens[COMPANY]
        if scheme == "refreshToken":
            # A refresh spends it.
            return self.send("POST /v1/auth/login").json["refresh_token"]
        if name == "POST /v1/auth/logout":
            return self.send("POST /v1/auth/login").json["access_token"]
        text = self.operations[name]["description"]
        return self.tokens["admin" if re.search("administrators|permission", text) else "user"]


def in_a_query(value):
    return str(value).lower() if isinstance(value, bool) else value


@pytest.fixture
def reader(app, client):
    """Somebody who has read the description, signed in as the README says."""
    app.test_cli_runner().invoke(args=["seed-demo"], catch_exceptions=False)
    reader = Reader(client)
    boss = sign_in(client, *make_user(username="boss", role="administrator"))
    reader.tokens["admin"] = boss.access_token
    reader.tokens["user"] = reader.send("POST /v1/auth/login").json["access_token"]
    return reader


def test_every_example_works_as_it_stands_or_is_answered_as_described(reader):
    # Some need what the example of another operation makes, so theirs come first.
    for sign_up, sign_in_as in SIGNING_IN.items():
        assert reader.send(sign_up).status_code == 200
        # It ends the session of the sign-up.
        reader.tokens[sign_up] = reader.send(sign_in_as).json["token"]
    rest = {
        name: operation["description"]
        for name, operation in reader.operations.items()
        if name not in {*SIGNING_IN, *SIGNING_IN.values()}
    }
    needy = [name for name, text in rest.items() if "\nThe example needs" in text]

    for name in needy:
        answer = reader.send(name)
        described = answers_of(reader.spec, reader.operations[name])[str(answer.status_code)]
        assert code_of(answer) in described["x-error-codes"], (name, answer.text)
        if reader.operations[name]["security"]:
            assert answer.status_code not in (401, 403), (name, answer.text)
    for name in [name for name in rest if name not in needy]:
        answer = reader.send(name)
        assert 200 <= answer.status_code < 300, (name, answer.text)
        assert str(answer.status_code) in reader.operations[name]["responses"], name
    assert len(needy) < len(rest) / 2


def code_of(answer):
    told = answer.json.get("error")
    return (told if isinstance(told, dict) else answer.json)["error_code"]

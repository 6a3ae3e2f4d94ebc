"""Whoever speaks HTTP in a test: the methods that a person, a company and a shop have alike."""

from typing import Any, Protocol

from werkzeug.test import TestResponse


class HttpClient(Protocol):
    """Flask's test client, or `remote.RemoteClient` for a real server."""

    def open(self, path: str, *, method: str, **options: Any) -> Any: ...


class Speaker:
    """Send requests with somebody's credentials. `options` are those of Flask's test client."""

    client: HttpClient

    def credentials(self) -> dict[str, str]:
        raise NotImplementedError

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {**self.credentials(), **options.pop("headers", {})}
        answer: TestResponse = self.client.open(path, method=method, headers=headers, **options)
        return answer

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.request("DELETE", path, **options)

"""Talks to a real server like Flask's test client to an application, so both share one cast."""

from dataclasses import dataclass
from typing import Any

from .server import Server


@dataclass
class Answer:
    status_code: int
    headers: Any
    text: str
    json: Any

    def get_data(self, as_text: bool = True) -> str:
        return self.text


@dataclass
class RemoteClient:
    """A client that many threads may use.

    Every request has a connection of its own, so it may reach any worker.
    """

    server: Server

    def open(self, path: str, method: str = "GET", **options: Any) -> Answer:
        answer = self.server.request(method, path, **options)
        is_json = answer.headers.get("Content-Type") == "application/json"
        return Answer(
            answer.status_code, answer.headers, answer.text, answer.json() if is_json else None
        )

    def post(self, path: str, **options: Any) -> Answer:
        return self.open(path, method="POST", **options)

"""A stand-alone antifraud service, for development and Compose (`flask antifraud`).

It is the built-in check behind the HTTP interface of the real service. It knows no database: it
counts the questions about a user in the last minute, in this one process.
"""

import threading
from collections import defaultdict, deque
from datetime import datetime

import marshmallow as ma
import orjson
from flask import Flask, Response, jsonify, request
from marshmallow import validate
from werkzeug.exceptions import RequestEntityTooLarge

from ...config import load_settings
from ...core import clock
from .built_in import WINDOW


class QuestionSchema(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    user_email = ma.fields.String(required=True, validate=validate.Length(max=254))
    promo_id = ma.fields.String(required=True, validate=validate.Length(max=64))


MAX_BODY = 16 * 1024

_question = QuestionSchema()


class RecentQuestions:
    """When each user was asked about in the last minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._moments: dict[str, deque[datetime]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admit(self, user: str) -> bool:
        """Return whether this question is within the limit. One that is not does not count."""
        now = clock.now()
        with self._lock:
            self._forget_before(now - WINDOW)
            moments = self._moments[user]
            while moments and moments[0] <= now - WINDOW:
                moments.popleft()
            if len(moments) >= self._most:
                return False
            moments.append(now)
            return True

    def _forget_before(self, oldest: datetime) -> None:
        """Forget the users who were not asked about since."""
        for user, moments in list(self._moments.items()):
            if moments and moments[-1] <= oldest:
                del self._moments[user]


def create_antifraud_app(max_per_minute: int | None = None) -> Flask:
    """Make the service; without a limit, ANTIFRAUD_MAX_PER_MINUTE is the limit."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    if max_per_minute is None:
        max_per_minute = load_settings(signs_and_stores=False).antifraud_max_per_minute
    recent = RecentQuestions(max_per_minute)

    @app.post("/api/validate")
    def validate() -> tuple[Response, int]:
        try:
            question: dict[str, str] = _question.load(orjson.loads(request.get_data()))
        except (ma.ValidationError, orjson.JSONDecodeError, TypeError, RequestEntityTooLarge):
            return jsonify(error="user_email and promo_id are needed"), 400
        return jsonify(ok=recent.admit(question["user_email"])), 200

    @app.get("/api/health/live")
    def live() -> Response:
        return jsonify(status="healthy")

    return app

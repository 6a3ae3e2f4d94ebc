"""JSON by orjson: several times faster than the standard library, and strict about UTF-8."""

from typing import Any

import orjson
from flask.json.provider import JSONProvider


class OrjsonProvider(JSONProvider):
    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Any:
        body = orjson.dumps(
            self._prepare_response_obj(args, kwargs), option=orjson.OPT_NON_STR_KEYS
        )
        return self._app.response_class(body, mimetype="application/json")  # type: ignore[arg-type]

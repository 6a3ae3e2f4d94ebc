"""`GET /popup.js`: the popup that any website embeds."""

import gzip
import re
from hashlib import sha256

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from ..config import ROOT, Settings

SCRIPT = ROOT / "frontend" / "popup.js"
_EXPIRY_DAYS = re.compile(r"^  const EXPIRY_DAYS = \d+;$", re.MULTILINE)

# A day of mercy beyond the hour: a visitor never waits for us to say that nothing has changed.
_CACHE = "public, max-age=3600, stale-while-revalidate=86400"

routes = Blueprint("popup", __name__)


def popup_script(settings: Settings) -> str:
    """The script with what this service is set to. Raises RuntimeError for a script that has no place for it, or several."""
    script, places = _EXPIRY_DAYS.subn(
        f"  const EXPIRY_DAYS = {settings.coupon_expiry_days};", SCRIPT.read_text(encoding="utf-8")
    )
    if places != 1:
        raise RuntimeError(
            f"{SCRIPT} must say `const EXPIRY_DAYS = ...` once, and says it {places} times."
        )
    return script


def _read_script(state: BlueprintSetupState) -> None:
    plain = popup_script(state.app.extensions["settings"]).encode()
    # Every visitor of every page that embeds it loads it: a third of the bytes, packed once.
    state.app.extensions["popup_script"] = {
        encoding: (body, sha256(body).hexdigest()[:32])
        for encoding, body in (("", plain), ("gzip", gzip.compress(plain, mtime=0)))
    }


routes.record(_read_script)


@routes.get("/popup.js")
def popup() -> Response:
    encoding = "gzip" if request.accept_encodings.quality("gzip") > 0 else ""
    body, tag = current_app.extensions["popup_script"][encoding]
    response = Response(body, content_type="text/javascript; charset=utf-8")
    if encoding:
        response.content_encoding = encoding
    response.vary.add("Accept-Encoding")
    response.set_etag(tag)
    response.headers["Cache-Control"] = _CACHE
    # Any page may load it, also with `crossorigin` or where COEP asks for these.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.make_conditional(request)
    return response

"""`GET /popup.js`: the popup that any website embeds."""

import re

from flask import Blueprint, Response, current_app
from flask.blueprints import BlueprintSetupState

from ..config import ROOT, Settings
from ..web.caching import Document

SCRIPT = ROOT / "frontend" / "popup.js"
_EXPIRY_DAYS = re.compile(r"^  const EXPIRY_DAYS = \d+;$", re.MULTILINE)

# For a day beyond the hour a browser uses the script that it has while it asks for a newer one: no
# visitor waits to be told that nothing has changed.
_CACHE = "public, max-age=3600, stale-while-revalidate=86400"

routes = Blueprint("popup", __name__)


def popup_script(settings: Settings) -> str:
    """Return the script with this service's settings in it.

    Raises: RuntimeError for a script that has no place for them, or several.
    """
    script, places = _EXPIRY_DAYS.subn(
        f"  const EXPIRY_DAYS = {settings.coupon_expiry_days};", SCRIPT.read_text(encoding="utf-8")
    )
    if places != 1:
        raise RuntimeError(
            f"{SCRIPT} must say `const EXPIRY_DAYS = ...` once, and says it {places} times."
        )
    return script


def _read_script(state: BlueprintSetupState) -> None:
    # Every visitor of every page that embeds the script loads it.
    script = popup_script(state.app.extensions["settings"]).encode()
    state.app.extensions["popup_script"] = Document(script, "text/javascript; charset=utf-8")


routes.record(_read_script)


@routes.get("/popup.js")
def popup() -> Response:
    script: Document = current_app.extensions["popup_script"]
    response = script.answer(_CACHE)
    # Any page may load it. A `crossorigin` attribute asks for the first of these headers, a page's
    # Cross-Origin-Embedder-Policy for the second.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response

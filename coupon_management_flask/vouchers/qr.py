"""Draw a code as a picture that phones read."""

from io import BytesIO

import segno


def svg(code: str) -> bytes:
    return _drawn(code, "svg")


def png(code: str) -> bytes:
    return _drawn(code, "png")


def _drawn(code: str, kind: str) -> bytes:
    picture = BytesIO()
    # Not a Micro QR code: many readers don't know it. White is painted too, since the page around
    # the picture may be dark.
    segno.make_qr(code, error="m").save(picture, kind=kind, scale=8, light="white")
    return picture.getvalue()

"""GET /api/vouchers/detail/<code>/qr.svg and qr.png."""

import re
import struct
import zlib

import pytest
import segno

from ..support.refusals import refusal
from ..support.vouchers import PATH, bought


def modules_of_png(data):
    """Return a picture's rows of dark (1) and light (0) modules, without the border.

    The border is 4 modules wide, which tells the scale.
    """
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.setdefault(data[place + 4 : place + 8], data[place + 8 : place + 8 + length])
        place += length + 12
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (width, depth, colour) == (height, 1, 0)
    raw = zlib.decompress(chunks[b"IDAT"])
    stride = (width + 7) // 8 + 1
    lines: list[bytes] = [bytes(stride - 1)]
    for row in range(height):
        how, *line = raw[row * stride : (row + 1) * stride]
        # As it is, or as what it adds to the line above.
        assert how in (0, 2)
        lines.append(
            bytes(
                (above * (how == 2) + byte) % 256
                for above, byte in zip(lines[-1], line, strict=True)
            )
        )
    # In grey of one bit, 0 is black.
    dark = [
        [1 - (line[column // 8] >> (7 - column % 8) & 1) for column in range(width)]
        for line in lines[1:]
    ]
    border = next(row for row, line in enumerate(dark) if any(line))
    scale = border // 4
    return [line[border : width - border : scale] for line in dark[border : width - border : scale]]


def modules_of_svg(text, size):
    """The same for a drawing of horizontal lines."""
    (path,) = re.findall(r'class="qrline"[^>]* d="([^"]+)"', text)
    found = [[0] * size for _ in range(size)]
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        values = [float(number) for number in numbers.split()]
        if command == "h":
            for column in range(int(values[0])):
                found[int(y) - 4][int(x) - 4 + column] = 1
            x += values[0]
        else:
            x, y = (values[0], values[1]) if command == "M" else (x + values[0], y + values[1])
    return found


@pytest.fixture
def voucher(carol, kind):
    return bought(carol, kind)[0]


def test_the_picture_is_the_code_as_it_is_shown(carol, voucher):
    expected = [list(row) for row in segno.make_qr(voucher["code"], error="m").matrix]

    png = carol.get(f"{PATH}/detail/{voucher['code'].lower()}/qr.png")
    svg = carol.get(f"{PATH}/detail/{voucher['code']}/qr.svg")

    assert (png.status_code, png.content_type, png.headers["Cache-Control"]) == (
        200,
        "image/png",
        "private",
    )
    assert modules_of_png(png.data) == expected
    assert svg.status_code == 200
    assert (svg.mimetype, svg.headers["Cache-Control"]) == ("image/svg+xml", "private")
    assert modules_of_svg(svg.text, len(expected)) == expected


@pytest.mark.parametrize("picture", ["qr.svg", "qr.png"])
def test_it_is_drawn_for_its_owner(carol, alice, client, voucher, picture):
    path = f"{PATH}/detail/{voucher['code']}/{picture}"

    assert refusal(alice.get(path), "vouchers") == (404, "voucher_not_found")
    assert refusal(carol.get(f"{PATH}/detail/none/{picture}"), "vouchers") == (
        404,
        "voucher_not_found",
    )
    assert refusal(client.get(path), "vouchers") == (401, "authentication_required")
    assert carol.get(f"{path}/").status_code == 200

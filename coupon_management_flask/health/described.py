"""What the API description says of health."""

from ..web.operations import Described, Operations

HEALTH: Operations = {
    "health": Described("read_health"),
    "live": Described("read_liveness"),
    "test": Described("greet"),
}

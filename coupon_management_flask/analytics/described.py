"""What the API description says of analytics."""

from ..web.operations import Described, Operations

ANALYTICS: Operations = {
    "read_dashboard": Described(query={"days": 30}),
    "export_redemptions": Described(query={"days": 30}),
}

"""What a WSGI server imports: `coupon_management_flask.wsgi:app`."""

from .application import create_app
from .config import ConfigurationError

try:
    app = create_app()
except ConfigurationError as error:
    raise SystemExit(str(error)) from None

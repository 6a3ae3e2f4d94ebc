"""What a WSGI server imports: `coupon_management_flask.wsgi:app`."""

import gc
import os

from .application import create_app
from .config import ConfigurationError
from .tasks import thread

try:
    app = create_app()
except ConfigurationError as error:
    raise SystemExit(str(error)) from None

# What is loaded by now stays, and a request makes thousands of objects of which hardly any is part of a circle: looking for those each time cost a tenth.
gc.freeze()
gc.set_threshold(20_000, 20, 50)

# `flask serve` asks for it; under another server `flask worker` does that work.
if os.environ.get(thread.ASKED_FOR):
    thread.start(app)

"""Coupon management: five HTTP contracts over one core."""

__version__ = "0.1.0"

from .application import create_app

__all__ = ["__version__", "create_app"]

"""Configuration: one declaration for each setting, and frozen Settings for the application."""

from typing import cast

from flask import current_app

from .load import ROOT, ConfigurationError, load_settings
from .production import SHORTEST_SECRET_KEY
from .settings import DEVELOPMENT_SECRET_KEY, Settings

__all__ = [
    "DEVELOPMENT_SECRET_KEY",
    "ROOT",
    "SHORTEST_SECRET_KEY",
    "ConfigurationError",
    "Settings",
    "load_settings",
]


def current() -> Settings:
    """Return the settings of the application whose context is active."""
    return cast(Settings, current_app.extensions["settings"])

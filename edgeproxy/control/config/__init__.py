"""The configuration file: read, checked whole, and made into settings and a snapshot."""

from edgeproxy.control.config.kinds import (
    Address,
)
from edgeproxy.control.config.load import Loaded, load_config, load_text, settings_from
from edgeproxy.control.config.options import Config, Drain, Limits, Log, Metrics, Routing, Server, Settings
from edgeproxy.control.config.problems import ConfigRejected, Problem, render

__all__ = [
    "Address",
    "Config",
    "ConfigRejected",
    "Drain",
    "Limits",
    "Loaded",
    "Log",
    "Metrics",
    "Problem",
    "Routing",
    "Server",
    "Settings",
    "load_config",
    "load_text",
    "render",
    "settings_from",
]

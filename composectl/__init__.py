"""Scale a Docker Compose service behind the port it already publishes."""

__version__ = "0.1.0"

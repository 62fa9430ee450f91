"""The dashboard: a page for browsers, at a TCP port of its own."""

"""HTTP/2 (RFC 9113) on plain connections, by prior knowledge: streams in place of connections."""

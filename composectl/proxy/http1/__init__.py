"""HTTP/1 on both sides of the proxy (RFC 9112)."""

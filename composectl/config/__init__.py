"""What was asked for: options over `x-balance` over defaults, as frozen dataclasses."""

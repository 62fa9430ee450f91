"""Neighbour 3: HTTP before and behind us. The hot path."""

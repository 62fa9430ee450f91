"""Neighbour 5: this terminal."""

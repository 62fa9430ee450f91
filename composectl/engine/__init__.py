"""Neighbour 2: the Docker Engine API."""

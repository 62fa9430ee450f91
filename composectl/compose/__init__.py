"""Neighbour 1, the compose command: found, asked for its project, told what to do."""

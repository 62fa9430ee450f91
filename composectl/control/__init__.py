"""Neighbour 4: other terminals, over a unix socket."""

"""Neighbour 1: the `docker compose` / `docker-compose` command."""

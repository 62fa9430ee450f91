"""The heart: who is there, who is well, whom to pick. Pure: no I/O, no loop, no clock of its own."""

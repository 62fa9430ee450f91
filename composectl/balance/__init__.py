"""The heart: membership, phases, policies and counters. Pure: no I/O, no loop, no clock of its own."""

"""`python -m composectl` is the same command as `composectl`."""

from composectl.cli import main

main()

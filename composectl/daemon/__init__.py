"""The process that balances, in the foreground or in the background."""

"""The proxies that are compared, each doing what ours does as far as it can."""

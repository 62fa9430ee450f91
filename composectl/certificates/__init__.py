"""Certificates and their private keys: read, checked and made."""

"""Minutes of everything at once: what is lost, and whether memory and descriptors stay as they are."""

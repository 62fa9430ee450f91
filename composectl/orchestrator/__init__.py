"""Where replicas come from, and how they are made and removed."""

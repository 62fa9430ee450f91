"""What is measured, one part each."""

"""A job as one file."""

"""Whether documents are what their records say, and what can be done where they are not."""

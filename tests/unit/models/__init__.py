"""Unit tests of the model client."""

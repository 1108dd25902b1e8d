"""Checks of what containers and clusters are made from, with validators that carry their schemas."""

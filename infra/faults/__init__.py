"""Faults on purpose: servers and services of its own, broken in 23 ways, and a checker that trusts none of them."""

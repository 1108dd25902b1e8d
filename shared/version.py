"""The version of the whole system; its services are released together."""

VERSION = "0.1.0"

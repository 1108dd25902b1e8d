"""Webhooks: what happens is recorded for whoever wants to be told, signed, sent, tried again (ADR 42)."""

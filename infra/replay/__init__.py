"""Replaying bundles: a job run again, offline, and its artefacts held against those of the bundle (ADR 46)."""

"""Benchmarks: figures as ratios against named limits, measured in the same run. Never part of a test."""

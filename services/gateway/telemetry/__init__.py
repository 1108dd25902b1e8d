"""What a gateway tells of itself and of the fleet: metrics and traces (ADR 43)."""

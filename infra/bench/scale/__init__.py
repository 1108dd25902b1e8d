"""How the system scales: measured on this machine, and simulated for more of them (docs/scale.md)."""

"""Links between pictures, chunks and products (ADR 28). Pure rules over the stored artefacts."""

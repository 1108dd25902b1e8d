"""Finding passages, products and pictures."""

"""Records by a user's schema: found by a model or in tables, kept apart from what people say about them."""

"""Stage 3B: what the pictures of a document show, how good they are, and which of them are looked at again."""

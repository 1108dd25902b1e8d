"""`bench ingestion`: chunking beside its peers, and search against exact search."""

"""Where jobs, documents, uploads, alerts and webhooks are kept: SQLite and MongoDB behind the same ports."""

"""Files on their way in: forms, direct uploads, addresses, quotas, and what never became a document."""

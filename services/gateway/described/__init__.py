"""The description of the API: what every route takes and answers, for docs/openapi.json."""

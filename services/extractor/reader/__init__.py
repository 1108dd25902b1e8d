"""The `fast` reader: MuPDF's structured text turned into Markdown, page by page."""

from services.extractor.reader.machine_code import prefer

IS_COMPILED = prefer(__path__)
"""Whether the modules that take most of the time run as machine code."""

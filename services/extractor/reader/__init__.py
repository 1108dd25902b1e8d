"""The `fast` reader: MuPDF's structured text turned into Markdown, page by page."""

"""Pictures of pages, and addresses of pictures."""

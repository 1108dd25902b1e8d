"""`python -m services.extractor`: imports nothing at the top, because child processes import the entry again."""

if __name__ == "__main__":
    import uvloop

    from services.extractor.app import serve

    uvloop.run(serve())

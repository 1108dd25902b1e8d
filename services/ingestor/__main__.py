"""`python -m services.ingestor`: imports nothing at the top, because child processes import the entry again."""

if __name__ == "__main__":
    import uvloop

    from services.ingestor.app import serve

    uvloop.run(serve())

"""`bench extraction`: the reader's speed, quality and memory beside those of its peers, in one interleaved run."""

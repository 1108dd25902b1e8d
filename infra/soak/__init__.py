"""Long runs of one part under a random mix of good and hostile input: what it takes must stay flat."""

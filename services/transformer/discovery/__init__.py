"""Products and entities of a catalogue, found in its stored artefacts by pure functions."""

"""Results of foreign workers, made into the files of a twin."""

"""The command line: everything a person does with the system, over the same HTTP API that programs use."""

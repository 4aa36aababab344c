"""The terminal: its size, signals, state, drivers and output filters."""

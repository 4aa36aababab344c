"""The terminal: its size, its signals, its state, and what may be sent to it."""

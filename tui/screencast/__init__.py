"""Moving pictures of the app: it runs without a terminal on a virtual clock, and its screens become an asciicast or a GIF."""

"""The parent's side of a worker process: start it, send it commands, read its events, and explain its end."""

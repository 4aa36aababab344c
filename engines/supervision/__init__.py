"""The parent's side of a worker process: start it, command it, read it, and explain its end."""

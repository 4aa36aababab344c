"""A guided tour of the app over a recording, by chapters that are data."""

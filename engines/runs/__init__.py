"""A run once it is told: its history as a fold over events, and its folder on disk."""

"""Everything that needs no screen: messages, workers, data, monitors, runs."""

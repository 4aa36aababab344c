"""Everything that is true without a screen: vocabulary, workers, data, monitors, runs."""

"""What came of runs, as text for any front end: cards, comparisons, exports, source columns."""

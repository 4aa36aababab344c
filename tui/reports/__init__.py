"""Reports as text for any front end: cards, summaries, comparisons, exports, columns of source code."""

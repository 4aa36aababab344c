"""Pure drawing: (data, width, height) -> cells. No Textual, no engines."""

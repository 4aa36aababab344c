"""Front ends: the Textual app, and the command line with its headless commands."""

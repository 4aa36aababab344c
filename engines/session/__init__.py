"""All workers of one app or one headless command, and recordings of them, without a screen."""

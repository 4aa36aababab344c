"""What the screen costs."""

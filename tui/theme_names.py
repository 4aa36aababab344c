"""The names of the app's themes, apart from the themes themselves: --help must not wait for Textual."""

DARK, LIGHT, CLEAR = "mnist-dark", "mnist-light", "mnist-clear"
ANSI_DARK, ANSI_LIGHT = "ansi-dark", "ansi-light"
THEME_NAMES = (DARK, LIGHT, CLEAR, ANSI_DARK, ANSI_LIGHT)
"""All names, in the order in which the theme key cycles through them."""
AUTO = "auto"
"""The name that stands for the theme that suits the terminal."""

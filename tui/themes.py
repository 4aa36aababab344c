"""The app's own looks. Orange is PyTorch and blue is Keras: a pair that colour-blind people tell apart (P. Tol, 2021)."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

ENGINE_COLORS_DARK = {
    "pytorch": "#ee8a4a", "pytorch-raw": "#6a4530", "keras": "#4db8e8", "keras-raw": "#29566e",
}  # fmt: skip
ENGINE_COLORS_LIGHT = {
    "pytorch": "#b8480c", "pytorch-raw": "#dfb399", "keras": "#0a6aa8", "keras-raw": "#9dc0d6",
}  # fmt: skip
ENGINE_COLORS_ANSI = {
    "pytorch": "ansi_yellow", "pytorch-raw": "ansi_bright_black", "keras": "ansi_cyan", "keras-raw": "ansi_bright_black",
}  # fmt: skip
"""For themes that leave all colours to the terminal, the 16 of old ones among them."""

DARK = Theme(
    name="mnist-dark",
    primary="#8fb8de",
    secondary="#6c8ebf",
    accent="#e0c46c",
    foreground="#d8dee9",
    background="#11151c",
    surface="#181d26",
    panel="#222936",
    success="#7fc58f",
    warning="#e5b567",
    error="#ef6b73",
    dark=True,
    variables=ENGINE_COLORS_DARK,
)

LIGHT = Theme(
    name="mnist-light",
    primary="#2f5d8a",
    secondary="#4a6f9b",
    accent="#8a6a00",
    foreground="#1f2630",
    background="#f7f6f2",
    surface="#efede6",
    panel="#e4e1d8",
    success="#2c7a44",
    warning="#8f5a00",
    error="#b3261e",
    dark=False,
    variables=ENGINE_COLORS_LIGHT,
)

CLEAR = Theme(
    name="mnist-clear",
    primary="#56b4e9",
    secondary="#56b4e9",
    accent="#f0e442",
    foreground="#ffffff",
    background="#000000",
    surface="#101010",
    panel="#262626",
    success="#56b4e9",
    warning="#f0e442",
    error="#ff9e7a",
    dark=True,
    variables={"pytorch": "#e69f00", "pytorch-raw": "#664600", "keras": "#56b4e9", "keras-raw": "#265068"},
)
"""For every kind of colour vision and for bad projectors: Okabe & Ito's palette (2008) on black, without red against green."""

OURS = {theme.name: theme for theme in (DARK, LIGHT, CLEAR)}
NAMES = (*OURS, "ansi-dark", "ansi-light")
"""In the order in which the key takes them; the last two are the terminal's own colours."""


def palette(variables: Mapping[str, str]) -> dict[str, str]:
    """The colours that lines are written in, by "$name", as Rich says them; from a theme's variables."""
    names = ("pytorch", "keras", "error", "success", "warning", "accent", "primary", "secondary")
    return {f"${name}": variables[name].removeprefix("ansi_") for name in names}

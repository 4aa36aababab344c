"""The app's own looks. Orange is PyTorch and blue is Keras: a pair that colour-blind people tell apart (P. Tol, 2021)."""

from __future__ import annotations

from textual.theme import Theme

ENGINE_COLORS_DARK = {"pytorch": "#ee8a4a", "keras": "#4db8e8"}
ENGINE_COLORS_LIGHT = {"pytorch": "#b8480c", "keras": "#0a6aa8"}

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

"""The app's themes. Orange is PyTorch and blue is Keras: a pair that colour-blind people tell apart (P. Tol, 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from tui import theme_names

ENGINE_COLORS_DARK = {
    "pytorch": "#ee8a4a", "pytorch-raw": "#6a4530", "keras": "#4db8e8", "keras-raw": "#29566e",
}  # fmt: skip
ENGINE_COLORS_LIGHT = {
    "pytorch": "#b8480c", "pytorch-raw": "#dfb399", "keras": "#0a6aa8", "keras-raw": "#9dc0d6",
}  # fmt: skip

DARK = Theme(
    name=theme_names.DARK,
    primary="#8fb8de",
    secondary="#6c8ebf",
    accent="#e0c46c",
    foreground="#d8dee9",
    # Each has a grey among 256 colours: with a little more blue, the header would be navy there.
    background="#14161a",
    surface="#1c1f25",
    panel="#252932",
    success="#7fc58f",
    warning="#e5b567",
    error="#ef6b73",
    dark=True,
    variables=ENGINE_COLORS_DARK,
)

LIGHT = Theme(
    name=theme_names.LIGHT,
    primary="#2f5d8a",
    secondary="#4a6f9b",
    accent="#8a6a00",
    foreground="#22262d",
    background="#f7f6f2",
    surface="#efeeeb",
    panel="#e2e1dd",
    success="#2c7a44",
    warning="#8f5a00",
    error="#b3261e",
    dark=False,
    variables=ENGINE_COLORS_LIGHT,
)

CLEAR = Theme(
    name=theme_names.CLEAR,
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
"""Okabe & Ito's palette (2008) on black, for every kind of colour vision and for bad projectors; no red against green."""

ANSI_DARK = replace(
    BUILTIN_THEMES[theme_names.ANSI_DARK],
    primary="ansi_white",
    secondary="ansi_white",
    accent="ansi_bright_white",
    success="ansi_bright_green",
    warning="ansi_bright_magenta",
    error="ansi_bright_red",
    variables=BUILTIN_THEMES[theme_names.ANSI_DARK].variables
    | {
        "pytorch": "ansi_bright_yellow",
        "pytorch-raw": "ansi_bright_black",
        "keras": "ansi_bright_cyan",
        "keras-raw": "ansi_bright_black",
        "footer-key-foreground": "ansi_bright_white",
        "block-cursor-foreground": "ansi_bright_white",
        "block-cursor-background": "ansi_blue",
        "run-1": "ansi_bright_cyan",
        "run-2": "ansi_bright_yellow",
        "run-3": "ansi_bright_magenta",
        "run-4": "ansi_bright_green",
        "run-5": "ansi_bright_red",
        "run-6": "ansi_bright_white",
    },
)
"""The terminal's own colours on a dark background: the bright ones, as VGA's blue, red and brown are hard to read on black."""

ANSI_LIGHT = replace(
    BUILTIN_THEMES[theme_names.ANSI_LIGHT],
    primary="ansi_blue",
    secondary="ansi_blue",
    accent="ansi_blue",
    success="ansi_default",
    warning="ansi_default",
    error="ansi_red",
    variables=BUILTIN_THEMES[theme_names.ANSI_LIGHT].variables
    | {
        "pytorch": "ansi_magenta",
        "pytorch-raw": "ansi_white",
        "keras": "ansi_blue",
        "keras-raw": "ansi_white",
        "run-1": "ansi_blue",
        "run-2": "ansi_magenta",
        "run-3": "ansi_red",
        "run-4": "ansi_default",
        "run-5": "ansi_bright_black",
        "run-6": "ansi_bright_red",
    },
)
"""The terminal's own colours on a light background, where only three of them can be read: blue, magenta and red."""

THEMES = {theme.name: theme for theme in (DARK, LIGHT, CLEAR, ANSI_DARK, ANSI_LIGHT)}
"""The themes by name. The last two have the names of Textual's, but other colours."""


def default_theme(color_system: str | None) -> str:
    """Return the theme for a terminal, by Rich's name for its colours: "truecolor", "256", or another for 16 and fewer."""
    return DARK.name if color_system in ("256", "truecolor") else ANSI_DARK.name


RUN_COLORS = ("primary", "warning", "success", "error", "accent", "secondary")
"""The colours of the runs in one chart, in order, unless the theme has its own; dashes distinguish a run's engines."""
_RUNS = tuple(f"run-{i}" for i in range(1, len(RUN_COLORS) + 1))
_ROLES = {
    "axis": ("foreground", 0.3, False),
    "label": ("foreground", 0.6, False),
    "cursor": ("foreground", 0.7, False),
    "nan": ("error", 1.0, True),
    **{engine: (engine, 1.0, False) for engine in ("pytorch", "keras", "pytorch-raw", "keras-raw")},
    **{f"{source}-test": ("foreground", 1.0, True) for source in ("pytorch", "keras", "difference")},
    **{f"{source}-test-line": ("foreground", 0.55, False) for source in ("pytorch", "keras", "difference")},
    "shared": ("foreground", 0.75, False),
    **{run: (run, 1.0, False) for run in _RUNS},
}
"""The style of each role in a chart: (variable, its share in the mix with the background, bold).

They are not component classes, because each would be one more node to style in every chart, and the first paint waits for that.
"""


def palette(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the colours for lines of text by "$name", as Rich writes them, from a theme's variables."""
    variables = _with_runs(variables)
    names = ("pytorch", "keras", "error", "success", "warning", "accent", *_RUNS)
    heat = {f"$heat-{i}": f"on {_rich_color(variables, 'error', i / 8)}" for i in (1, 2, 3)}
    if variables["background"].startswith("ansi"):  # the terminal's own colours can't be mixed
        heat = dict(zip(heat, ("", "", "bold"), strict=True))
    return (
        {f"${name}": _rich_color(variables, name) for name in names}
        | heat
        | {
            "$detail": _rich_color(variables, "foreground", 0.8),
            "$heading": _rich_color(variables, "foreground", 0.85),
        }
    )


def chart_styles(variables: Mapping[str, str]) -> Mapping[str, Style]:
    """Return the style of each role in a chart, from a theme's variables."""
    variables = _with_runs(variables)
    return _chart_styles(*(variables[name] for name in _VARIABLES))


def _with_runs(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Add the colours of runs to a theme's variables, unless it has its own."""
    return {**{run: variables[name] for run, name in zip(_RUNS, RUN_COLORS, strict=True)}, **variables}


_VARIABLES = ("background", *dict.fromkeys(name for name, _, _ in _ROLES.values()))


@cache
def _chart_styles(*colors: str) -> dict[str, Style]:
    variables = dict(zip(_VARIABLES, colors, strict=True))
    return {
        role: Style(color=_rich_color(variables, name, share), bold=bold or None)
        for role, (name, share, bold) in _ROLES.items()
    }


def _rich_color(variables: Mapping[str, str], name: str, share: float = 1.0) -> str:
    """Return a colour as Rich writes it, mixed with the background by its share; the terminal's own colours are never mixed."""
    return Color.parse(variables["background"]).blend(Color.parse(variables[name]), share).rich_color.name

"""Rules for captions, which are read by people who never saw a convnet."""

from __future__ import annotations

import itertools
import re

MOST_SENTENCES = 2


def caption_problem(caption: str) -> str:
    """Return what is wrong with a caption: whole, plain sentences without jargon or repeated words; empty when nothing is."""
    if not re.match(r"[A-Z0-9]", caption):
        return "begins without a capital"
    if not caption.endswith((".", "?")):
        return "has no end"
    if re.search(r"\s\s|\s$|[;!()]", caption):
        return "has blanks, brackets or marks that a caption does not need"
    if len(re.findall(r"[.?](\s|$)", caption)) > MOST_SENTENCES:
        return "has too many sentences"
    words = re.findall(r"[a-z]+", caption.lower())
    repeated = next((a for a, b in itertools.pairwise(words) if a == b), "")
    if repeated:
        return f"says {repeated!r} twice"
    jargon = {"logits", "gradient", "softmax", "hyperparameter", "tensor", "backpropagation", "nobody", "anew"}
    return f"says {min(found)!r}" if (found := jargon & set(words)) else ""

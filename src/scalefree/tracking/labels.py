"""Short labels that tell runs apart in a list."""

import itertools
import re
from collections.abc import Sequence

# A run's slug is words joined by dashes; the dash of an exponent (`lr2e-3`) does not separate words.
_DASH = re.compile(r"-(?!\d)")
# In the order shown: the optimizer, its decay and step size, everything else, the seed.
_ORDER = (re.compile(r"wd\d.*"), re.compile(r"lr\d.*"), re.compile(r"(?!seed\d).*"))


def _optimizer(words: Sequence[str]) -> str:
    """The word before the step size."""
    return next((before for before, word in itertools.pairwise(words) if _ORDER[1].fullmatch(word)), "")


def _place(word: str, optimizer: str) -> int:
    if word == optimizer:
        return -1
    return next((place for place, pattern in enumerate(_ORDER) if pattern.fullmatch(word)), len(_ORDER))


def _short(word: str) -> str:
    """`metric_prox` for `adam_metric_prox`, `s0` for `seed0`."""
    return re.sub(r"^seed(?=\d)", "s", word.removeprefix("adam_"))


def labels(slugs: Sequence[str]) -> list[str]:
    """For each run's readable slug, the words that not all runs share: `adamw wd1e-3 s0`, with the seed last.

    A run that does not differ from the others keeps all its words.
    """
    split = [_DASH.split(slug) for slug in slugs]
    shared = set.intersection(*map(set, split)) if split else set()
    found = []
    for words in split:
        optimizer = _optimizer(words)
        telling = [word for word in words if word not in shared] or words
        found.append(" ".join(map(_short, sorted(telling, key=lambda word: _place(word, optimizer)))))
    return found

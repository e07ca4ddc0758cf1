"""Labels that look alike but differ as text ("good", "Good", "good "), and those that mean "no label"."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from glueft.tables.plain_numbers import plain_number
from glueft.tables.problems import shown
from glueft.text import counted

# What stands in place of a label that is missing, in the form of `folded`.
NO_LABEL = {
    *("", "nan", "null", "none", "nil", "na", "n/a", "#n/a", "<na>", "nat", "?", "??", "-", "--", "unknown"),
    *("undefined", "missing", "unlabelled", "unlabeled", "no label", "not labelled", "not labeled"),
    *("not available", "not annotated"),
}

# Of the characters that are not shown, these two change how their neighbours are written.
JOINERS = "\u200c\u200d"


def _seen(name: str, keep: str = JOINERS) -> str:
    return "".join(letter for letter in name if letter in keep or unicodedata.category(letter) != "Cf")


def _one_form(name: str) -> str:
    return unicodedata.normalize("NFKC", _seen(name, keep=""))


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _number(name: str) -> str:
    if plain_number(name) is None:
        return name
    return f"{Decimal(name).normalize() + 0:f}" if len(name) < 40 else name


# The differences between labels that look alike, in the order in which they are removed.
STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("Unicode form", _one_form),
    ("white space", _spaced),
    ("case", str.casefold),
    ("number form", _number),
)


def folded(name: str) -> str:
    """Return a label without case, Unicode form, superfluous white space, and number form."""
    for _, step in STEPS:
        name = step(name)
    return name


def cleaned(name: str) -> str:
    """Return a label without superfluous white space and characters that are not shown; its letters stay."""
    return unicodedata.normalize("NFC", _spaced(_seen(name)))


def spellings(names: Iterable[str], given: Sequence[str] = ()) -> dict[str, str]:
    """Return the label that stands for all that look like it, by their `folded` form.

    Args:
        names: of the labels, one a row; the most frequent spelling counts.
        given: the labels, where they are known.
    """
    labels: dict[str, str] = {}
    for name in given:
        labels.setdefault(folded(name), cleaned(name))
    for name, _ in Counter(names).most_common():
        labels.setdefault(folded(name), cleaned(name))
    return labels


def look_alikes(names: Iterable[str]) -> str:
    """Return the beginning of a fix for labels that look alike; nothing if none do."""
    different = set(names)
    alike = len({folded(name) for name in different}) < len(different)
    return "fold_labels = true in [task] makes those that look alike one; or " if alike else ""


def label_warnings(counts: Mapping[str, int], given: Sequence[str] = (), *, multi_label: bool = False) -> list[str]:
    """Return warnings about labels.

    Args:
        counts: the rows of each.
        given: those that were listed on purpose.
        multi_label: whether a row has any number of them.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys([*counts, *given]):
        groups.setdefault(folded(name), []).append(name)
    alike = [names for names in groups.values() if len(names) > 1]
    warnings = []
    if alike:
        each = "; ".join(", ".join(_counted(name, counts) for name in names) for names in alike[:5])
        more = f"; and {len(alike) - 5} more" if len(alike) > 5 else ""
        warnings.append(
            f"labels that look alike are classes of their own: {each}{more}. They differ in {_in(alike)}: "
            "fold_labels = true in [task] makes them one"
        )
    alone = [name for names in groups.values() if len(names) == 1 for name in names]
    spaced = [name for name in alone if _spaced(_seen(name)) != name]
    if spaced:
        each = ", ".join(_counted(name, counts) for name in spaced[:5])
        more = f" and {len(spaced) - 5} more" if len(spaced) > 5 else ""
        warnings.append(f"labels with white space too many, or characters that are not seen: {each}{more}")
    zero = any(plain_number(name) == 0 for name in counts)
    means = "is a class here, and often means that a row has no label: leave such rows out"
    if multi_label:
        means = "is a label here, and often means that a row has none: write an empty list"
    return warnings + [
        f"{_counted(name, counts)} {means}, or list it in labels to have it so"
        for name in counts
        if name not in given and (folded(name) in NO_LABEL or (plain_number(name) == -1 and zero))
    ]


def score_warnings(scores: Sequence[float]) -> list[str]:
    """Return warnings about scores."""
    negative = {score for score in scores if score < 0}
    if len(negative) != 1 or len(set(scores)) < 3 or not negative <= {-1, -9, -99, -999, -9999}:
        return []
    (value,) = negative
    rows = counted(sum(score == value for score in scores), "row")
    return [
        f"{value:g} is the one score below 0, in {rows}: it often means that a row has "
        "no score; leave such rows out, or they are trained on"
    ]


def _counted(name: str, counts: Mapping[str, int]) -> str:
    return f"{_told_apart(name)} ({counted(counts.get(name, 0), 'row')})"


def _told_apart(name: str) -> str:
    """Quote a name; letters that look like others are written as escapes."""
    if unicodedata.normalize("NFKC", name) == name:
        return shown(name)
    return '"' + shown(name)[1:-1].encode("ascii", "backslashreplace").decode() + '"'


def _in(alike: list[list[str]]) -> str:
    """Name the differences between the labels of each group."""
    found: dict[str, None] = {}
    for names in alike:
        left = set(names)
        for what, step in STEPS:
            fewer = {step(name) for name in left}
            if len(fewer) < len(left):
                found[what] = None
            left = fewer
    words = [what for what, _ in STEPS if what in found]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

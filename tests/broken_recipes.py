"""A good recipe, ways to break it, and what is then wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.problems import Problem

GOOD = """\
[task]
plugin = "mrpc"

[model]
checkpoint = "google-bert/bert-base-uncased"

[data]
source = "hub"
max_length = 128

[optimizer]
plugin = "adam"

[schedule]
plugin = "polynomial_decay"
initial_learning_rate = 5e-5
end_learning_rate = 0.0

[training]
epochs = 3
batch_size = 8
seed = 42

[engine]
precision = "float32"
jit_compile = "auto"
"""


def problems(tmp_path: Path, text: str, overrides: Sequence[str] = (), **flags: Any) -> list[Problem]:
    file = tmp_path / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file), overrides, **flags)
    return caught.value.problems


def changed(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text

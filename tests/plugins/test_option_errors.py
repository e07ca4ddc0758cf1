"""Options of the optimizers and schedules that contradict each other, as the user of a recipe sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from broken_recipes import GOOD
from glueft.recipe import RecipeError, load_recipe


@pytest.mark.parametrize(
    ("given", "path", "message", "fix"),
    [
        *[
            (
                f"schedule={{plugin='{name}', initial_learning_rate=1e-4, warmup_steps=3, warmup_ratio=0.1}}",
                "schedule",
                "warmup_steps and warmup_ratio cannot be used together; keep one of them",
                "",
            )
            for name in ("constant", "cosine", "inverse_sqrt", "linear", "polynomial_decay")
        ],
        (
            "schedule={plugin='cosine', initial_learning_rate=1e-4, t_mul=2}",
            "schedule",
            "t_mul shapes the cycles after a restart; it needs restarts above 0",
            "",
        ),
        (
            "schedule={plugin='linear', initial_learning_rate=1e-4, warmup_ratio=10}",
            "schedule.warmup_ratio",
            "expected a number at least 0 and below 1; received 10 (a whole number)",
            "",
        ),
        (
            "optimizer={plugin='rmsprop', momentum=1.5}",
            "optimizer.momentum",
            "expected a number at least 0 and below 1; received 1.5 (a number)",
            "",
        ),
        (
            "optimizer={plugin='sgd', nesterov=true}",
            "optimizer",
            "nesterov = true needs momentum above 0, such as momentum = 0.9",
            "",
        ),
        (
            "optimizer={plugin='muon', clipnorm=1, global_clipnorm=1}",
            "optimizer",
            "clipnorm and global_clipnorm cannot be used together; keep one of them",
            "",
        ),
        (
            "optimizer={plugin='lamb', layerwise_decay=0}",
            "optimizer.layerwise_decay",
            "expected a number above 0 and at most 1; received 0 (a whole number)",
            "",
        ),
        (
            "optimizer={plugin='lion', layer_decay=0.9}",
            "optimizer.layer_decay",
            'unknown key for optimizer "lion"',
            'did you mean "layerwise_decay"?',
        ),
    ],
)
def test_what_the_user_is_told(given: str, path: str, message: str, fix: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(GOOD, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, [given])
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == (path, message)
    assert fix in problem.fix and problem.where.startswith("--set ")

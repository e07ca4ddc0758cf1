"""From TOML text to a checked recipe, and every problem at once where it is not in order."""

from glueft.recipe.problems import Problem, RecipeError, StudyGivenError
from glueft.recipe.recipe import Recipe, load_recipe

__all__ = ["Problem", "Recipe", "RecipeError", "StudyGivenError", "load_recipe"]

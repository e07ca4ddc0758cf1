"""From a recipe to a trained classifier."""

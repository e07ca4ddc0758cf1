"""The hub's client: checkpoints and data sets."""

"""First-party optimizers."""

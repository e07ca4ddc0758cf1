"""A run goes to the hub: the files in one commit, the model card, what may be public, and pushes from a run."""

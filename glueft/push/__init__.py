"""Pushes runs to the hub: the files in one commit, the model card, and pushes while a run goes on."""

"""Finished runs side by side: what differs, and what the stored predictions allow to be said of it."""

"""Trains a run again and compares it stage by stage; writes and reads the receipt of a run."""

"""Encoders in Keras 3: the classifier, the blocks that families share, and checkpoints read and written."""

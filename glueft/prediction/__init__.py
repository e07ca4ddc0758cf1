"""Prediction from a saved model: tables of any size, lines, single texts, or a conversation. Keras comes in late."""

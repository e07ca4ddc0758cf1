"""The BERT family in Keras 3: one architecture read from config.json, its heads, and its tensor names both ways."""

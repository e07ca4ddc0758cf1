"""The BERT family as one Keras 3 encoder, its classification heads, and the names of its weights."""

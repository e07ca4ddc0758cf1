"""The rows of a task: where they come from, how they become token ids, and how these become batches."""

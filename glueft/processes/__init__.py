"""A run in several processes, on one machine or several: who takes part, how they talk, and how they end together.

Nothing here imports Keras or a backend, but for `jax.distributed` in a process that takes part.
"""

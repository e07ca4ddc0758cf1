"""The plugin seam: base classes, hooks, registry, contract."""

"""The control plane: configuration, catalog, accounts. May be slow, must be right."""

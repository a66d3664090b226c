"""aiohttp handlers of the contract's resources, one file a resource; thin."""

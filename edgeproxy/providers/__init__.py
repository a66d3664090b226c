"""Who serves: addresses, credentials, quirks, error classification."""

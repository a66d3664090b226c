"""The compiled core as Python sees it; the sources are in `_core/` at the top."""

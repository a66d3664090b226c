"""Server-rendered pages on the ops port."""

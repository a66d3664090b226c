"""The data plane, one file a phase; `pipeline.py` tells the life of a call."""

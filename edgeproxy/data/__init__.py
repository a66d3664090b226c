"""Dated data that ships: the catalog of models and list prices."""

"""The doors that tests go through."""

AIOHTTP = "aiohttp"
DEFAULT = (AIOHTTP,)
BOTH = (AIOHTTP,)

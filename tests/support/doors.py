"""The doors that tests go through."""

EXPRESS, AIOHTTP = "express", "aiohttp"
DEFAULT = (EXPRESS,)
BOTH = (EXPRESS, AIOHTTP)

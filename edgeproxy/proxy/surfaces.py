"""Where chat calls come in: every base URL that clients are given, and whose habits the answers there follow."""

SURFACES = {"/v1": "/v1", "/api/v1": "/api/v1", "/openai/v1": "/v1", "/v1/v1": "/v1", "": "/v1"}
CHAT_PATHS = {f"{prefix}/chat/completions": surface for prefix, surface in SURFACES.items()}

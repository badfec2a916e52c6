"""Step 7 of 7. HTTP: reads requests, writes answers; every error is problem+json with a request id."""

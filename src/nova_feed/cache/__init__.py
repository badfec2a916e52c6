"""Step 4 of 7. Valkey: frozen lists and short-lived copies.

Every key has a TTL; ``keys`` is the one table of them. Losing all of it costs time, never an answer.
"""

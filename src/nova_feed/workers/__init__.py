"""Jobs beside the API: the connector's supervisor, the outbox relay, invalidation, housekeeping.

Each job is a coroutine that runs until it is cancelled; ``runner`` starts one again when it fails.
"""

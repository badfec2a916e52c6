"""Step 1b of 7. Clients' events: validated (pure), accepted in one PostgreSQL transaction, published to Kafka.

Reads ``POST /api/v1/events``; writes ``nova_events_seen`` (dedup) and ``nova_events_outbox``, then topic ``events``.
Kafka is never a condition of the answer.
"""

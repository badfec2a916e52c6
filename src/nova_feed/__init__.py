"""Nova Feed: a row in PostgreSQL becomes a ranked feed, and the tree is the sentence.

1. ``capture``  PostgreSQL -> Kafka (Debezium), 1b. ``ingest`` clients' events -> PostgreSQL outbox -> Kafka.
2. ``stream``   Kafka topics: produce, consume, dead letters.
3. ``store``    ClickHouse: state tables, counters, the candidate queries.
4. ``cache``    Valkey: frozen lists, short-lived copies.
5. ``ranking``  pure: merge, score, dedup, diversity, explain.
6. ``feed``     the use case: sources, coalesced misses, pages, cursors, fallback.
7. ``serving``  HTTP.
"""

__version__ = "0.1.0"

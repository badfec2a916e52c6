"""Step 3 of 7. ClickHouse.

Reads ``cdc.*`` and ``events`` from Kafka into state tables and counters, and answers the candidate queries. All SQL
lies in ``sql/``: numbered files for the schema, one file per query.
"""

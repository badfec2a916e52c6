"""Step 1 of 7. PostgreSQL -> Kafka.

Reads the app's tables through logical decoding (publication ``nova_pub``, slot ``nova_slot``); Debezium writes one
JSON record per changed row to ``cdc.<table>``. Also owns PostgreSQL's schema, and the connector's supervisor.
"""

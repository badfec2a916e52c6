"""Step 2 of 7. Kafka: topics are made here, events are produced here, lag is read here."""

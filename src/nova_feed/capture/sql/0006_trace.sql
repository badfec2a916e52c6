-- The trace a request belongs to (W3C traceparent), while traces are made: what is sent later still belongs to it.
ALTER TABLE nova_events_outbox ADD COLUMN trace text;

-- What may be changed while everything runs: every version there was. The newest holds; none: what the settings say.
CREATE TABLE nova_runtime (
    version  bigint      PRIMARY KEY CHECK (version > 0),
    document jsonb       NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now(),
    made_by  text        NOT NULL,
    note     text        NOT NULL DEFAULT ''
);
CREATE INDEX nova_runtime_made_by ON nova_runtime (made_by, version);

CREATE FUNCTION nova_runtime_is_a_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'nova_runtime is only ever added to: a version that was wrong is followed by one that is right';
END $$;
CREATE TRIGGER nova_runtime_is_a_log BEFORE UPDATE OR DELETE OR TRUNCATE ON nova_runtime
    FOR EACH STATEMENT EXECUTE FUNCTION nova_runtime_is_a_log();

-- PostgreSQL roles, each with what its process needs and nothing else. Run by a superuser in the app's database after
-- `nova migrate`, and again after every upgrade: every statement may be repeated. Then give each a password
-- (ALTER ROLE nova_api PASSWORD ...) and each process the URL of its role: tests/integration/test_roles.py proves them.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['nova_owner', 'nova_api', 'nova_worker', 'nova_cdc', 'nova_reads'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I', name);
        END IF;
    END LOOP;
END $$;
ALTER ROLE nova_owner NOLOGIN;
ALTER ROLE nova_api LOGIN;
ALTER ROLE nova_worker LOGIN;
ALTER ROLE nova_cdc LOGIN REPLICATION;
ALTER ROLE nova_reads LOGIN;

-- nova_owner owns what Nova made, so that partitions can be made and dropped by somebody who is no superuser.
GRANT USAGE, CREATE ON SCHEMA public TO nova_owner;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'nova\_events\_%'
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO nova_owner', name);
    END LOOP;
END $$;
-- The API makes the partitions of a new day when the worker was away: as the owner, and not by owning anything.
ALTER FUNCTION nova_ensure_event_days() OWNER TO nova_owner;
ALTER FUNCTION nova_ensure_event_days() SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION nova_ensure_event_days() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION nova_ensure_event_days() TO nova_api, nova_worker;

GRANT USAGE ON SCHEMA public TO nova_api, nova_worker, nova_cdc, nova_reads;

-- nova api: reads who, what and when of the app's tables, never a text; writes accepted events.
GRANT SELECT (id, username) ON users TO nova_api;
GRANT SELECT (id, author_id, created_at) ON posts TO nova_api;
GRANT SELECT (id, post_id, user_id, created_at) ON comments TO nova_api;
GRANT SELECT ON follows, likes, blocks, mutes TO nova_api;
GRANT SELECT, INSERT ON nova_events_seen, nova_hidden TO nova_api;
GRANT SELECT, INSERT, UPDATE (acked) ON nova_events_outbox TO nova_api;
GRANT USAGE ON SEQUENCE nova_event_base TO nova_api;

-- nova worker: reads as the API does, and owns Nova's own tables: it settles the outbox and drops the partitions of past
-- days. Its canary writes to the app's tables: with NOVA_CANARY_URL set, grant it as the two lines below say.
GRANT nova_api TO nova_worker;
GRANT nova_owner TO nova_worker;
-- GRANT INSERT ON users, posts, follows TO nova_worker;
-- GRANT DELETE ON posts TO nova_worker;

-- Debezium: reads the captured tables for its snapshot, beats the heartbeat, and replicates.
GRANT SELECT ON users, posts, follows, comments, likes, blocks, mutes, nova_heartbeat TO nova_cdc;
GRANT UPDATE (beat_at) ON nova_heartbeat TO nova_cdc;

-- Whoever looks (psql, `nova events verify`, a dashboard): no write, and no query that runs on.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO nova_reads;
ALTER ROLE nova_reads SET default_transaction_read_only = on;
ALTER ROLE nova_reads SET statement_timeout = '30s';

-- What Debezium reads. The connector never makes or changes it (publication.autocreate.mode=disabled).
CREATE TABLE nova_heartbeat (
    id      smallint    PRIMARY KEY CHECK (id = 1),
    beat_at timestamptz NOT NULL
);
INSERT INTO nova_heartbeat VALUES (1, now());

-- ClickHouse keeps likes and comments ordered by (post_id, id), so that the counters of a post are one short range; a
-- deleted row must therefore say which post it was of, which PostgreSQL only writes with the whole old row.
ALTER TABLE likes REPLICA IDENTITY FULL;
ALTER TABLE comments REPLICA IDENTITY FULL;

CREATE PUBLICATION nova_pub FOR TABLE users, posts, follows, comments, likes, blocks, mutes, nova_heartbeat;

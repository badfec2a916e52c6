-- An insert costs each table that is written by it some 15 ms of a processor, however few rows it has (a plan for each
-- view, a part on disk). So what nobody waits for is written less often: the tables of events every two seconds, what the
-- ranker reads of events five times a second, captured rows two and a half times. An engine cannot be altered: the
-- queues are made anew. Offsets are the group's, and what was written but not committed comes again, as after a crash.
CREATE OR REPLACE TABLE events_queue (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = '${KAFKA_BROKERS}',
    kafka_topic_list = 'events',
    kafka_group_name = 'events_group',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = ${KAFKA_CONSUMERS},
    kafka_handle_error_mode = 'stream',
    kafka_flush_interval_ms = 2000,
    kafka_poll_timeout_ms = 100,
    kafka_consumer_reschedule_ms = 50,
    kafka_max_block_size = 65536;

CREATE OR REPLACE TABLE recent_queue (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = '${KAFKA_BROKERS}',
    kafka_topic_list = 'events',
    kafka_group_name = 'recent_group',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = 1,
    kafka_handle_error_mode = 'stream',
    kafka_flush_interval_ms = 200,
    kafka_poll_timeout_ms = 20,
    kafka_consumer_reschedule_ms = 20,
    kafka_max_block_size = 65536;

CREATE OR REPLACE TABLE cdc_queue (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = '${KAFKA_BROKERS}',
    kafka_topic_list = 'cdc.users,cdc.posts,cdc.follows,cdc.comments,cdc.likes,cdc.blocks,cdc.mutes,cdc.nova_heartbeat',
    kafka_group_name = 'nova_cdc',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = ${KAFKA_CONSUMERS},
    kafka_handle_error_mode = 'stream',
    kafka_flush_interval_ms = 400,
    kafka_poll_timeout_ms = 100,
    kafka_consumer_reschedule_ms = 50,
    kafka_max_block_size = 65536;

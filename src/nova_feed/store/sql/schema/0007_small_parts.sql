-- These tables are written in small parts, several a second. Of the parts that it would merge ClickHouse leaves out those
-- on the right that are smaller than a hundredth of all, until two are left: the large part and one small one. As each
-- part counts as 5 MiB at least when it is asked whether merging is worth it, the next small one makes it worth it again:
-- a part of 450,000 rows was written anew for every 700 that came. Merged all together, they are written a tenth as often.
ALTER TABLE users MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE posts MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE follows MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE followers MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE likes MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE comments MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE blocks MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE mutes MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE heartbeat MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE recent_engagement MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE events MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE recent_events MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE post_metrics_1h MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE user_author_90d MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;
ALTER TABLE events_ledger MODIFY SETTING merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0;

-- Read at many places by key, 256 rows each: of blocks of 64 KiB nearly all is unpacked in vain.
ALTER TABLE follows MODIFY SETTING min_compress_block_size = 4096, max_compress_block_size = 4096;

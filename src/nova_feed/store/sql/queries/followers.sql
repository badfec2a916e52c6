-- Who follows any of these authors.
SELECT DISTINCT follower_id FROM follows FINAL WHERE followee_id IN {authors:Array(Int64)}

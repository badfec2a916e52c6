-- Who follows one of these authors: whose cached feeds are out of date when one of them posts.
SELECT DISTINCT follower_id FROM followers FINAL WHERE followee_id IN {authors:Array(Int64)}

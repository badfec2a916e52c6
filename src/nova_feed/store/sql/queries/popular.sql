-- The authors of the last 90 days whom most people follow.
SELECT user_id AS person_id, followers FROM popular_people
WHERE user_id IN (SELECT author_id FROM author_posts)
ORDER BY followers DESC, user_id LIMIT 200

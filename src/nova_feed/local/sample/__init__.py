"""The sample network: a believable social app in PostgreSQL, and people who keep using it.

``network`` makes users, follows, posts, likes and comments from a seed; ``load`` writes them with COPY; ``live`` lets
the people go on. What is drawn is the same on every machine: see ``draw`` for how that is kept.
"""

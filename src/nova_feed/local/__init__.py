"""The embedded stack: every real server the product needs, started by one command without root, Docker or system Java.

One ``Service`` interface; ``Managed`` starts a server of its own, ``External`` points at one that somebody else runs.
"""

"""Step 6 of 7. The use case: a viewer asks, a page is answered.

Reads candidates from ClickHouse (misses of many viewers in one query) or, as fallback, PostgreSQL; ranks them;
freezes the result in Valkey; cuts pages from it, and reads the viewer's rules anew for every page.
"""

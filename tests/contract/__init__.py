"""A server or fake of ours behaves as the real one does."""

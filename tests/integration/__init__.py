"""One joint of the path at a time, on real servers."""

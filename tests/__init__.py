"""Tests: laws, one sentence each. ``unit`` needs no server; the others start what they need and stop it."""

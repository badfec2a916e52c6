"""Faults: real processes are killed, stopped or filled up under load; then the checker counts what is left.

A row is a row of the fault matrix, and has a file named after it. ``pytest`` runs the short form of each, ``make
faults`` the full form. Either writes ``build/faults.json``.
"""

"""Without servers: no test here can open a socket."""

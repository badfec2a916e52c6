"""The whole stack, as an app and its users meet it: HTTP and SQL."""

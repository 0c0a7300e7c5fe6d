"""The application pool: a small supervisor that owns the socket and starts, watches and recycles workers."""

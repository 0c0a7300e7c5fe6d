"""Business rules. A service gets its session from outside, never commits and never sees a request."""

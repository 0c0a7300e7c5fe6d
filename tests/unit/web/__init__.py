"""WebOb still imports `cgi` where Python has it, which warns; nothing that we could do about it."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'cgi' is deprecated", DeprecationWarning)
    import webob as webob

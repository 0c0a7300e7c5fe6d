"""What people see in place of a page while no worker can make one."""

from __future__ import annotations

import base64
import hashlib

_STYLE = """
  :root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }
  body { margin: 0; background: light-dark(#f4f6fb, #10141d); color: light-dark(#1a2233, #e8ecf5); }
  main { max-width: 36rem; margin: 12vh auto 0; padding: 1rem 1.5rem; }
  h1 { font-size: 1.6rem; line-height: 1.2; }
  a { color: light-dark(#1f4fd8, #8fb0ff); }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"
"""This one style and nothing else: there is nobody who could serve a style sheet."""


def _page(title: str, content: str) -> bytes:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Control Panel</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
""".encode()


PAGE = _page(
    "Not available at the moment",
    """<h1>The control panel is not available at the moment</h1>
<p>It is being restarted, or an administrator has stopped it. Nothing was changed by what you just did.
Upgrades that were scheduled are kept, and go on once it is back.</p>
<p><a href="">Try again</a></p>
<p>For administrators: <code>app_pool.py status</code> says why,
<code>app_pool.py start-pool</code> starts it.</p>""",
)

STARTING_PAGE = _page(
    "Starting",
    """<h1>The application pool is being started</h1>
<p>It takes some seconds. Should it still be stopping, it is started as soon as that has ended.</p>
<p><a href="../application-pool">To the application pool</a></p>""",
)


def wants_page(request: bytes) -> bool:
    """Whether a browser asks, rather than a program, by the head of its request."""
    head = request.partition(b"\r\n\r\n")[0].lower()
    return any(line.startswith(b"accept:") and b"text/html" in line for line in head.split(b"\r\n")[1:])

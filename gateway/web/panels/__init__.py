"""The Provider and the Reseller Control Panel, and the pages by which people come in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from gateway.web.panels.caching import HashedNames
from gateway.web.panels.refusals import form_out_of_date
from gateway.web.panels.rendering import add_templates
from gateway.web.panels.screens import SCREENS
from gateway.web.panels.signing_in import THROTTLES, SignInThrottle
from gateway.web.sessions import is_own_form
from gateway.web.views import Method, add_address

YEAR = 31_536_000


def includeme(config: Configurator) -> None:
    add_templates(config)
    config.registry[THROTTLES] = SignInThrottle()
    config.add_static_view("assets", "gateway.web.panels:assets", cache_max_age=YEAR)
    config.add_cache_buster("gateway.web.panels:assets/", HashedNames())
    paths = {screen.route: screen.path for screen in SCREENS}
    methods: defaultdict[str, dict[str, Method]] = defaultdict(dict)
    for screen in SCREENS:
        view = screen.view if screen.method == "GET" else _checked(screen.view)
        methods[screen.route][screen.method] = Method(view, screen.permission)
    for route, path in paths.items():
        add_address(config, route, path, methods[route])


def _checked(view: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A view that answers only to forms of our own pages."""

    def checked(request: Request) -> Response:
        return view(request) if is_own_form(request) else form_out_of_date(request)

    return checked

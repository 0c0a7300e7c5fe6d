"""A clock to move by hand, a small catalog and a client that calls the WSGI application directly."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import urlencode

from gateway.simulator import make_app

BASIC = "CFQ7TTC0LH18:0001"
STANDARD = "CFQ7TTC0LDPB:0001"
STANDARD_ITEM = "CFQ7TTC0LDPB:0001:CFQ7TTC0LGNT"
E1 = "CFQ7TTC0LF8Q:0001"
E3 = "CFQ7TTC0LF8R:0001"
E3_ITEM = "CFQ7TTC0LF8R:0001:CFQ7TTC0KCSV"
LEGACY_BASIC = "BD938F12-058F-4927-BBA3-AE36B1D2501C"
LEGACY_STANDARD = "031C9E47-4802-4248-838E-778FB1D2CC05"
LEGACY_E3 = "796B6B5F-613C-4E24-A17C-EBA730D49C02"
ARCHIVING = "2828BE95-46BA-4F91-B2FD-0BEF192ECF60"

BASIC_SKU = "3b555118-da6a-4418-894f-7df1e2096870"
STANDARD_SKU = "f245ecc8-75af-4f8e-b61f-27d8114de5f3"

KINDS = {
    "basic": ("license", "Business Basic License", BASIC),
    "standard": ("license", "Business Standard License", STANDARD),
    "e1": ("license", "E1 License", E1),
    "e3": ("license", "E3 License", E3),
    "legacy-basic": ("license", "Basic (legacy) License", LEGACY_BASIC),
    "legacy-standard": ("license", "Standard (legacy) License", LEGACY_STANDARD),
    "legacy-e3": ("license", "E3 (legacy) License", LEGACY_E3),
    "unknown": ("license", "Something Else License", "CFQ7TTC0ZZZZ:0009"),
    "archiving": ("addon", "Archiving Add-on", ARCHIVING),
    "user": ("other", "User", ""),
}


def guid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


CUSTOMER = guid(0xC1)
OTHER_CUSTOMER = guid(0xC2)
SUBSCRIPTION = guid(0x51)
OTHER_SUBSCRIPTION = guid(0x52)


def subscription(
    number: int, account: str = "c1", status: str = "active", **resources: tuple[int, int]
) -> Any:
    """Return a catalog subscription; resources are `name=(limit, usage)` with `_` for `-`."""
    return {
        "id": f"s{number}",
        "account": account,
        "service_plan": "plan",
        "status": status,
        "microsoft_subscription_id": guid(number),
        "resources": [
            {"resource_type": name.replace("_", "-"), "limit": limit, "usage": usage}
            for name, (limit, usage) in resources.items()
        ],
    }


def customer(number: int) -> Any:
    return {
        "id": f"c{number}",
        "type": "customer",
        "name": f"Customer {number}",
        "parent": "provider",
        "microsoft_tenant_id": guid(0xC0 + number),
        "domain": f"customer{number}.onmicrosoft.com",
        "email": f"admin@customer{number}.onmicrosoft.com",
    }


def catalog(*subscriptions: Any, customers: int = 2) -> Any:
    types = [
        {"id": name, "kind": kind, "name": title, **({"offer_id": offer} if offer else {})}
        for name, (kind, title, offer) in KINDS.items()
    ]
    return {
        "application_instances": [{"id": "office365", "name": "Office 365"}],
        "accounts": [
            {"id": "provider", "type": "provider", "name": "Provider"},
            *(customer(number + 1) for number in range(customers)),
        ],
        "service_templates": [
            {"id": "template", "application_instance": "office365", "resource_types": types}
        ],
        "service_plans": [
            {"id": "plan", "service_template": "template", "vendor": "provider", "resources": []}
        ],
        "subscriptions": list(subscriptions),
    }


def write_catalog(path, *subscriptions: Any, customers: int = 2):
    path.write_text(json.dumps(catalog(*subscriptions, customers=customers)), encoding="utf-8")
    return path


class Clock:
    """Stands still until it is moved; waiting moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body.decode("utf-8-sig"))

    @property
    def items(self) -> Any:
        return self.json["items"]


class Client:
    """Signs in when asked and calls the application without HTTP."""

    def __init__(self, simulator, clock: Clock) -> None:
        self.simulator = simulator
        self.clock = clock
        self.token = ""

    def call(
        self, method: str, path: str, body: Any = None, *, remote: str = "127.0.0.1", **headers
    ) -> Answer:
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(payload)),
            "REMOTE_ADDR": remote,
            "wsgi.input": BytesIO(payload),
            **{"HTTP_" + name.upper(): value for name, value in headers.items()},
        }
        if self.token:
            environ.setdefault("HTTP_AUTHORIZATION", f"Bearer {self.token}")
        seen: list[Any] = []
        chunks = self.simulator(environ, lambda status, sent, exc_info=None: seen.append((status, sent)))
        status, sent = seen[0]
        return Answer(int(status.split(" ")[0]), dict(sent), b"".join(chunks))

    def get(self, path: str, **headers) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers) -> Answer:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers) -> Answer:
        return self.call("PATCH", path, body, **headers)

    def login(self, *, version: str = "/v2.0", **changes: str) -> Answer:
        form = {
            "grant_type": "refresh_token",
            "client_id": "simulated-client",
            "client_secret": "simulated-secret",
            "refresh_token": "simulated-refresh-token",
            "scope": "https://api.partnercenter.microsoft.com/.default",
            "resource": "https://api.partnercenter.microsoft.com",
        }
        return self.post(f"/partner/oauth2{version}/token", urlencode(form | changes).encode())

    def sign_in(self, **changes: str) -> "Client":
        self.token = self.login(**changes).json["access_token"]
        return self

    def transition(self, subscription_id: str = SUBSCRIPTION, item: str = STANDARD_ITEM, **changes) -> Answer:
        headers = {name: changes.pop(name) for name in ("ms_requestid",) if name in changes}
        body = {
            "toCatalogItemId": item,
            "quantity": 10,
            "transitionType": "transition_with_license_transfer",
            **changes,
        }
        return self.post(f"{path_of(subscription_id)}/transitions", body, **headers)

    def upgrade(self, offer: str = LEGACY_STANDARD, upgrade_type: Any = 2, **headers) -> Answer:
        body = {"TargetOffer": {"Id": offer}, "UpgradeType": upgrade_type, "Quantity": 10}
        return self.post(f"{path_of()}/upgrades", body, **headers)

    def subscription(self, subscription_id: str = SUBSCRIPTION) -> Any:
        return self.get(path_of(subscription_id)).json

    def history(self, subscription_id: str = SUBSCRIPTION) -> Any:
        return self.get(f"{path_of(subscription_id)}/transitions").items

    def fault(self, action: str, match: Any = None, **options) -> Answer:
        answer = self.post("/_control/faults", {"action": action, "match": match or {}, **options})
        assert answer.status == 201, answer.body
        return answer

    def configure(self, **values) -> Answer:
        return self.post("/_control/configure", values)

    def stats(self) -> Any:
        return self.get("/_control/stats").json

    def journal(self, query: str = "") -> Any:
        return self.get(f"/_control/journal?{query}").items


def path_of(subscription_id: str = SUBSCRIPTION, customer_id: str = CUSTOMER) -> str:
    return f"/v1/customers/{customer_id}/subscriptions/{subscription_id}"


def make_client(catalog_path, clock: Clock, state=None) -> Client:
    simulator = make_app(catalog_path, state=state, now=clock.now, sleep=clock.sleep)
    return Client(simulator, clock)

"""The guarantees, against Hypothesis: faults, deaths and cancellations in any order, until it calms down.

    ENGINE_EXAMPLES=2000 pytest tests/unit/engine/test_invariants.py

tries more, and other ones each time.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import event, select

from gateway.db import Database
from gateway.engine.claims import Claims
from gateway.engine.steps import advance
from gateway.models import LIVE, AccountType, Role, ServicePlan, Subscription, Upgrade, UpgradeStatus
from gateway.partner_center import same_offer
from gateway.services.caller import Caller
from gateway.services.cancellation import UpgradeCancellation
from gateway.services.catalog import import_catalog
from gateway.simulator import make_app
from tests.catalogs import BASIC, LEGACY_BASIC, LEGACY_STANDARD, STANDARD, catalog, microsoft_id_of
from tests.databases import sqlite_url
from tests.factories import Factories
from tests.simulation import Clock
from tests.unit.engine.conftest import SUBSCRIPTIONS, World
from tests.unit.engine.test_steps import Killed, fail_at

EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "0"))
LIMIT = 2
HOURS = 1.0
PATHS = {BASIC: STANDARD, LEGACY_BASIC: LEGACY_STANDARD}
TARGETS = {s["id"]: PATHS[s["service_plan"]] for s in SUBSCRIPTIONS if s["service_plan"] in PATHS}
UPGRADED = {UpgradeStatus.COMPLETED, UpgradeStatus.COMPLETED_WITH_WARNINGS}

FAULTS = [
    {"action": "status", "status": 500},
    {"action": "status", "status": 503},
    {"action": "status", "status": 401},
    {"action": "status", "status": 404},
    {"action": "throttle", "retry_after": 20},
    {"action": "drop_before"},
    {"action": "drop_after"},
    {"action": "hang_before"},
    {"action": "hang_after"},
    {"action": "expire_tokens"},
    {"action": "customer_busy"},
    {"action": "ineligible"},
    {"action": "transition_fails"},
    {"action": "license_errors"},
    {"action": "never_finishes"},
    {"action": "history_lags", "seconds": 30.0},
    {"action": "history_lags", "seconds": 300.0},
    {"action": "offer_lags", "seconds": 90.0},
    *({"action": "garbage", "garbage": kind} for kind in ("html", "truncated", "empty")),
]
WHERE = [{"kind": "transition"}, {"kind": "upgrade"}, {"kind": "transitions"}, {"method": "GET"}, {}]

CALLER = Caller(
    account_id="provider",
    account_type=AccountType.PROVIDER,
    role=Role.ADMINISTRATOR,
    name="tests",
    vendor_ids=None,
)

workers = st.sampled_from("ab")
subscriptions = st.sampled_from(sorted(TARGETS))


class Gateway(RuleBasedStateMachine):
    """Two nodes, a handful of subscriptions, and a Microsoft that has its moods."""

    template: Path
    """A database with the catalog."""
    catalog: Path

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-invariants-"))
        shutil.copyfile(self.template, self.folder / "gateway.db")
        self.database = Database(sqlite_url(self.folder / "gateway.db"))
        event.listen(self.database.engine, "connect", be_careless)
        self.clock = Clock()
        self.simulator = make_app(self.catalog, now=self.clock, sleep=self.clock.sleep)
        self.world = World(self.database, self.simulator, self.clock)
        self.numbers = itertools.count(1)
        self.workers = {}
        for name in "ab":
            self.spawn(name)

    def spawn(self, name):
        """A worker that takes the place of one that died."""
        ctx = self.world.context(
            f"node-{name}:{next(self.numbers)}",
            max_allowed_nb_of_simultaneous_upgrades=LIMIT,
            upgrade_timeout_hours=HOURS,
            upgrade_max_attempts=4,
        )
        claims = Claims(self.database, ctx.owner, ctx.lease, self.clock)
        claims.release_those_of_the_dead(f"node-{name}")
        self.workers[name] = ctx, claims

    # What people do

    @initialize()
    def schedule_all(self):
        for name in TARGETS:
            self.schedule(name)

    @rule(name=subscriptions)
    def schedule(self, name):
        mine = [u for u in self.upgrades() if u.subscription_id == name]
        if any(u.status in LIVE or u.status in UPGRADED for u in mine):
            return
        self.clock.sleep(1)  # So that it is clear which upgrade a transition belongs to.
        with self.database.write() as db:
            found, plan = db.get_one(Subscription, name), db.get_one(ServicePlan, TARGETS[name])
            Factories(db).upgrade(found, plan, due_at=self.clock.now, scheduled_at=self.clock.now)

    @rule(name=subscriptions)
    def cancel(self, name):
        mine = [u for u in self.upgrades() if u.subscription_id == name and u.status in LIVE]
        for upgrade in mine:
            with self.database.write() as db:
                UpgradeCancellation(db, CALLER).cancel(upgrade_ids=[upgrade.id], now=self.clock.now)

    # What nodes do

    @rule(worker=workers, turns=st.integers(1, 3))
    def work(self, worker, turns):
        """Look around and carry on what there is, as an engine does."""
        for _ in range(turns):
            self.look_around(worker)
            self.clock.sleep(20)

    @rule(worker=workers, number=st.integers(0, LIMIT - 1))
    def step(self, worker, number):
        self.advance(worker, number)

    @rule(worker=workers, moment=st.sampled_from(["before", "after"]), commit=st.integers(1, 4))
    def die(self, worker, moment, commit):
        """At some commit of the next steps, or when there is nothing to do."""
        ctx, _claims = self.workers[worker]
        fail_at(ctx, moment, commit, Killed())
        with contextlib.suppress(Killed):
            self.look_around(worker)
        self.spawn(worker)

    @rule(worker=workers)
    def stand_still(self, worker):
        """Longer than a lease; another one takes over, and then this one goes on."""
        mine = sorted(self.workers[worker][1].due_times())
        self.clock.sleep(31)
        self.look_around("b" if worker == "a" else "a")
        for upgrade_id in mine:
            advance(upgrade_id, self.workers[worker][0])

    @rule(worker=workers)
    def keep_leases(self, worker):
        self.workers[worker][1].renew()

    @rule(worker=workers)
    def hand_over(self, worker):
        self.workers[worker][1].release()

    @rule(seconds=st.sampled_from([1, 10, 31, 100, 400]))
    def let_time_pass(self, seconds):
        self.clock.sleep(seconds)

    # What Microsoft does

    @rule(fault=st.sampled_from(FAULTS), where=st.sampled_from(WHERE), times=st.integers(1, 3))
    def go_wrong(self, fault, where, times):
        self.world.control.fault(**fault, match=where, times=times)

    # What is true at every moment

    @invariant()
    def no_more_are_in_progress_than_the_limit(self):
        assert len(self.in_progress()) <= LIMIT

    @invariant()
    def a_customer_has_one_in_progress(self):
        tenants = Counter(u.microsoft_tenant_id for u in self.in_progress())
        assert max(tenants.values(), default=0) <= 1

    @invariant()
    def microsoft_has_no_more_than_the_limit_and_what_was_given_up(self):
        given_up = sum(u.reason_code == "outcome_unknown" for u in self.upgrades())
        assert self.simulator.world.gauge.max_running <= LIMIT + given_up

    @invariant()
    def an_upgrade_is_at_most_one_transition(self):
        transitions = list(self.simulator.world.store.all_transitions(0, -1))
        for upgrade in self.upgrades():
            mine = [t for t in transitions if is_of(t, upgrade)]
            allowed = upgrade.status not in (UpgradeStatus.PENDING, UpgradeStatus.CANCELED)
            assert len(mine) <= allowed, (upgrade.status, mine)

    def teardown(self):
        try:
            self.calm_down()
        finally:
            self.world.close()
            self.simulator.close()
            self.database.close()
            shutil.rmtree(self.folder)

    def calm_down(self):
        """Faults stop, one node never comes back: every upgrade ends, and both sides agree about it."""
        self.world.control.clear_faults()
        for _ in range(400):
            if not any(u.status in LIVE for u in self.upgrades()):
                break
            self.look_around("a")
            self.clock.sleep(31)
        self.an_upgrade_is_at_most_one_transition()
        ended = self.upgrades()
        assert not [u for u in ended if u.status in LIVE]
        for name in {u.subscription_id for u in ended}:
            self.check_end([u for u in ended if u.subscription_id == name])

    def check_end(self, history):
        newest = history[-1]
        for upgrade in history:
            assert (upgrade.status is UpgradeStatus.FAILED) <= bool(upgrade.reason_code and upgrade.remedy)
            assert upgrade.lease_owner is None
        if any(u.reason_code == "outcome_unknown" for u in history):
            return  # That it may be either is what this code says.
        with self.database.read() as db:
            subscription = db.get_one(Subscription, newest.subscription_id)
            plan = subscription.service_plan
            offer = plan.licenses[0].resource_type.offer_id
            microsoft_id = subscription.microsoft_subscription_id
        client = self.workers["a"][0].clients.for_instance_name("Office 365")
        found = client.get_subscription(newest.microsoft_tenant_id, microsoft_id)
        assert same_offer(found.offer_id, offer or "")
        assert (plan.id == newest.target_plan_id) == any(u.status in UPGRADED for u in history)

    # Helpers

    def upgrades(self):
        with self.database.read() as db:
            return db.scalars(select(Upgrade).order_by(Upgrade.id)).all()

    def in_progress(self):
        return [u for u in self.upgrades() if u.status is UpgradeStatus.IN_PROGRESS]

    def look_around(self, worker):
        ctx, claims = self.workers[worker]
        claims.adopt()
        ctx.ledger.claim()
        for number in range(LIMIT):
            self.advance(worker, number)

    def advance(self, worker, number):
        ctx, claims = self.workers[worker]
        mine = sorted(claims.due_times())
        if number < len(mine):
            advance(mine[number], ctx)


def is_of(transition, upgrade):
    """Whether it began while the upgrade was live; two of a subscription never are at once."""
    at = transition.started_at
    return (
        transition.source_id.casefold() == microsoft_id_of(upgrade.subscription_id).casefold()
        and upgrade.scheduled_at <= at
        and (upgrade.finished_at is None or at <= upgrade.finished_at)
    )


def be_careless(connection, _entry):
    """No power fails here, so nothing has to be on the disk."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def machine(sqlite_database, tmp_path):
    document = catalog(*SUBSCRIPTIONS)
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(document))
    with sqlite_database.write() as db:
        import_catalog(db, document, now=Clock().now)
    sqlite_database.close()
    places = {"template": Path(sqlite_database.url.database), "catalog": file}
    return type("GatewayOfThisTest", (Gateway,), places)


def test_the_guarantees_hold_whatever_happens(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or 12,
            stateful_step_count=40,
            derandomize=not EXAMPLES,
            database=None,
            phases=[Phase.generate],  # Making a failure smaller takes far longer than finding it.
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

import pytest

from gateway.services.catalog import CatalogError, CatalogProblem, import_catalog
from tests.factories import NOW
from tests.unit.services.catalogs import account, plan, put, small_catalog, subscription, tenant


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


def problems_of(db, document):
    with pytest.raises(CatalogError) as caught:
        import_catalog(db, document, now=NOW)
    return caught.value.problems


WRONG_FORM = [
    ("subscriptions.0.resources.1.limit", -2, "-1 or more"),
    ("subscriptions.0.resources.1.limit", 2**31, "2147483647 or less"),
    ("subscriptions.0.resources.1.limit", "5", "a whole number"),
    ("subscriptions.0.resources.1.limit", True, "a whole number"),
    ("subscriptions.0.resources.1.limit", 1.5, "a whole number"),
    ("subscriptions.0.resources.1.usage", -1, "0 or more"),
    ("subscriptions.0.resources.1.color", "red", "no such member"),
    ("subscriptions.0.color", "red", "no such member"),
    ("subscriptions.0.resources", {}, "a list"),
    ("subscriptions.0.resources.0", 7, "an object"),
    ("subscriptions.0", None, "an object"),
    ("subscriptions.0.id", 1, "text"),
    ("subscriptions.0.id", "", "text that is not empty"),
    ("subscriptions.0.id", "x" * 101, "at most 100 characters"),
    ("subscriptions.0.id", " 1", "text without control characters and without blanks around it"),
    ("subscriptions.0.id", "a\0b", "text without control characters and without blanks around it"),
    ("subscriptions.0.id", "a\ud800", "text of whole characters"),
    ("subscriptions.0.status", "sleeping", "'active', 'pending', 'suspended', 'expired'"),
    ("subscriptions.2.office365_subdomain.choice", "existing", "'new_microsoft_account'"),
    ("subscriptions.2.office365_subdomain.subdomain", "a.b", "letters, digits and inner hyphens"),
    ("accounts.0.type", "king", "'provider', 'reseller' or 'customer'"),
    ("accounts.3.microsoft_tenant_id", "bakery", "a GUID such as"),
    ("accounts.4.domain", "dentist", "a domain name such as"),
    ("accounts.4.domain", "-x.com", "a domain name such as"),
    ("accounts.4.email", "dentist.com", "an email address such as"),
    ("service_templates.0.resource_types.1.offer_id", "Basic", "a product and SKU such as"),
    ("service_templates.0.resource_types.1.kind", "gift", "'license', 'addon' or 'other'"),
    ("service_plans.0.kind", "gift", "'standard' or 'customer_management'"),
    ("service_plans.0.subscription_periods.0.recurring_fee", 6.0, "text"),
    ("service_plans.0.subscription_periods.0.recurring_fee", "6.00001", "at most 4 decimals"),
    ("service_plans.0.subscription_periods.0.recurring_fee", "-6", "a price of 0 or more"),
    ("service_plans.0.subscription_periods.0.setup_fee", "1e3", "a price of 0 or more"),
    ("service_plans.0.subscription_periods.0.currency", "usd", "three capitals"),
    ("service_plans.0.subscription_periods.0.months", 0, "1 or more"),
    ("plans", [], "one of the collections application_instances, accounts"),
    ("accounts", {}, "a list"),
]


@pytest.mark.parametrize(("path", "value", "expected"), WRONG_FORM)
def test_a_value_of_the_wrong_form_is_named_by_its_path(db, path, value, expected):
    document = small_catalog()
    put(document, path, value)

    (problem,) = problems_of(db, document)

    assert problem.path == json_path(path)
    assert expected in problem.expected


WRONG_REFERENCES = [
    ("subscriptions.0.account", "nobody", "an account of this file or of the database"),
    ("subscriptions.0.service_plan", "nothing", "a service plan of this file or of the database"),
    ("subscriptions.0.resources.0.resource_type", "x", "a resource type of the template template"),
    ("subscriptions.0.resources.1.resource_type", "user", "each resource_type once"),
    ("subscriptions.0.account", "reseller", "a customer"),
    ("subscriptions.2.account", "bakery", "a reseller, since the plan is one of Customer Management"),
    ("subscriptions.2.account", "provider", "a reseller, since the plan is one of Customer Management"),
    ("subscriptions.0.service_plan", "basic-reseller", "a plan of provider, who is the vendor of bakery"),
    ("subscriptions.1.microsoft_subscription_id", "ms-1", "an id that no other subscription has"),
    ("subscriptions.1.id", "1", "an id that no other of the subscriptions has"),
    ("accounts.3.id", "sub-reseller", "an id that no other of the accounts has"),
    ("accounts.2.parent", "nobody", "an account of this file or of the database"),
    ("accounts.2.parent", "bakery", "a provider or reseller; customers have nobody below them"),
    ("accounts.2.parent", "sub-reseller", "an account that is not below this one"),
    ("accounts.0.parent", "reseller", "no parent, since the provider is the root of the tree"),
    ("accounts.4.microsoft_tenant_id", tenant(1), "a tenant that no other account has; bakery has it"),
    ("service_templates.0.application_instance", "x", "an application instance of this file"),
    ("service_templates.0.resource_types.2.id", "basic", "each id once"),
    ("service_templates.0.resource_types.0.offer_id", tenant(1), "none, since Microsoft sells licenses"),
    ("service_plans.2.service_template", "x", "a service template of this file or of the database"),
    ("service_plans.2.vendor", "x", "an account of this file or of the database"),
    ("service_plans.2.vendor", "bakery", "a provider or reseller"),
    ("service_plans.0.resources.0.resource_type", "x", "a resource type of the template template"),
    ("service_plans.0.resources.1.resource_type", "user", "each resource_type once"),
    ("service_plans.0.resource_rates.0.resource_type", "x", "a resource type of the template template"),
    ("service_plans.1.delegated_from", "x", "a service plan of this file or of the database"),
    ("service_plans.0.delegated_from", "basic", "a plan that is not itself a copy of this one"),
    ("service_plans.2.subscription_periods.0.setup_fee", "1", "0, since a Customer Management plan"),
    ("service_plans.2.subscription_periods.0.recurring_fee", "0.01", "0, since a Customer Management"),
]


@pytest.mark.parametrize(("path", "value", "expected"), WRONG_REFERENCES)
def test_a_reference_that_leads_nowhere_is_named_by_its_path(db, path, value, expected):
    document = small_catalog()
    put(document, path, value)

    problems = {problem.path: problem for problem in problems_of(db, document)}

    assert expected in problems[json_path(path)].expected


class TestTheTree:
    def test_there_is_one_provider(self, db):
        document = small_catalog()
        document["accounts"].append(account("second", "provider"))

        (problem,) = problems_of(db, document)

        assert problem == ("accounts[5].type", '"provider"', "one provider only, which is provider")

    def test_there_is_one_provider_in_the_database_too(self, db):
        import_catalog(db, small_catalog(), now=NOW)

        (problem,) = problems_of(db, {"accounts": [account("second", "provider")]})

        assert problem.path == "accounts[0].type"

    def test_a_reseller_needs_a_parent(self, db):
        document = small_catalog()
        del document["accounts"][1]["parent"]

        problems = problems_of(db, document)

        assert problems[0] == (
            "accounts[1].parent",
            "nothing",
            "the provider or reseller above this account",
        )

    def test_a_cycle_of_several_is_found(self, db):
        document = small_catalog()
        put(document, "accounts.1.parent", "sub-reseller")

        paths = [problem.path for problem in problems_of(db, document)]

        assert paths[:2] == ["accounts[1].parent", "accounts[2].parent"]

    def test_a_cycle_with_the_database_is_found(self, db):
        import_catalog(db, small_catalog(), now=NOW)

        problems = problems_of(db, {"accounts": [account("reseller", "reseller", parent="sub-reseller")]})

        assert problems[0].path == "accounts[0].parent"

    def test_the_type_of_an_account_never_changes(self, db):
        import_catalog(db, small_catalog(), now=NOW)

        (problem,) = problems_of(db, {"accounts": [account("bakery", "reseller", parent="provider")]})

        assert problem == ("accounts[0].type", '"reseller"', "customer, which this account is and stays")

    def test_a_tenant_of_a_customer_in_the_database_is_refused(self, db):
        import_catalog(db, small_catalog(), now=NOW)
        newcomer = account("new", "customer", parent="provider", microsoft_tenant_id=tenant(1).upper())

        (problem,) = problems_of(db, {"accounts": [newcomer]})

        assert problem.path == "accounts[0].microsoft_tenant_id"
        assert "bakery has it" in problem.expected

    def test_a_tenant_may_pass_from_one_customer_to_another(self, db):
        import_catalog(db, small_catalog(), now=NOW)
        both = [
            account("bakery", "customer", parent="provider", microsoft_tenant_id=tenant(2)),
            account("dentist", "customer", parent="reseller", microsoft_tenant_id=tenant(1)),
        ]

        assert import_catalog(db, {"accounts": both}, now=NOW).accounts.updated == 2


class TestOfferings:
    @pytest.mark.parametrize("index", [1, 2])
    def test_a_license_and_an_addon_need_an_offer(self, db, index):
        document = small_catalog()
        del document["service_templates"][0]["resource_types"][index]["offer_id"]

        (problem,) = problems_of(db, document)

        assert problem.path == f"service_templates[0].resource_types[{index}].offer_id"

    def test_a_template_stays_with_its_instance(self, db):
        import_catalog(db, document := small_catalog(), now=NOW)
        document["application_instances"].append({"id": "second", "name": "Second"})
        put(document, "service_templates.0.application_instance", "second")

        (problem,) = problems_of(db, document)

        assert problem.path == "service_templates[0].application_instance"

    def test_a_plan_stays_with_its_template(self, db):
        import_catalog(db, document := small_catalog(), now=NOW)
        document["service_templates"].append(document["service_templates"][0] | {"id": "second"})
        put(document, "service_plans.2.service_template", "second")

        (problem,) = problems_of(db, document)

        assert problem.path == "service_plans[2].service_template"

    def test_names_of_instances_are_unique(self, db):
        document = small_catalog()
        document["application_instances"].append({"id": "second", "name": "Office 365"})

        (problem,) = problems_of(db, document)

        assert problem.path == "application_instances[1].name"

    def test_a_customer_management_plan_has_no_rates(self, db):
        document = small_catalog()
        rate = {"resource_type": "user", "recurring_fee": "0", "currency": "USD"}
        put(document, "service_plans.2.resource_rates", [rate])

        (problem,) = problems_of(db, document)

        assert problem.path == "service_plans[2].resource_rates"

    def test_two_periods_have_two_lengths(self, db):
        document = small_catalog()
        put(document, "service_plans.0.subscription_periods", small_catalog_periods() * 2)

        (problem,) = problems_of(db, document)

        assert problem == ("service_plans[0].subscription_periods[1].months", "12", "each months once")

    def test_a_copy_is_of_the_same_template(self, db):
        document = small_catalog()
        document["service_templates"].append(document["service_templates"][0] | {"id": "second"})
        document["service_plans"].append(plan("odd", service_template="second", delegated_from="basic"))

        (problem,) = problems_of(db, document)

        assert problem.path == "service_plans[3].delegated_from"

    def test_copies_of_each_other_are_found(self, db):
        document = small_catalog()
        document["service_plans"] += [plan("a", delegated_from="b"), plan("b", delegated_from="a")]

        paths = [problem.path for problem in problems_of(db, document)]

        assert paths == ["service_plans[3].delegated_from", "service_plans[4].delegated_from"]


class TestCustomerManagement:
    def test_a_sub_reseller_may_subscribe_to_the_plan_of_the_provider(self, db):
        document = small_catalog()
        put(document, "subscriptions.2.account", "sub-reseller")

        assert import_catalog(db, document, now=NOW).subscriptions.created == 3

    def test_a_reseller_may_not_subscribe_to_the_plan_of_one_below(self, db):
        document = small_catalog()
        put(document, "service_plans.2.vendor", "sub-reseller")

        (problem,) = problems_of(db, document)

        assert problem.path == "subscriptions[2].account"
        assert problem.expected == "a reseller below sub-reseller, who sells the plan"


class TestTheError:
    def test_all_problems_of_form_are_told_at_once(self, db):
        document = small_catalog()
        put(document, "accounts.4.email", "x")
        put(document, "subscriptions.0.status", "x")
        del document["subscriptions"][1]["account"]

        problems = problems_of(db, document)

        assert [problem.path for problem in problems] == [
            "accounts[4].email",
            "subscriptions[0].status",
            "subscriptions[1].account",
        ]
        assert problems[2] == CatalogProblem("subscriptions[1].account", "nothing", "a value")

    def test_the_message_has_the_first_and_their_number(self, db):
        document = small_catalog()
        put(document, "accounts.4.email", "x")
        put(document, "subscriptions.0.status", "x")

        with pytest.raises(CatalogError) as caught:
            import_catalog(db, document, now=NOW)

        assert str(caught.value) == (
            'the catalog has 2 problems; accounts[4].email: found "x", expected an email address such as '
            "admin@example.com"
        )
        assert caught.value.code == "invalid_catalog"

    def test_no_more_than_a_hundred_are_told(self, db):
        document = small_catalog()
        document["subscriptions"] = [subscription(str(n), "nobody", "basic") for n in range(500)]

        assert len(problems_of(db, document)) == 100

    def test_indexes_count_on_after_the_first_chunk(self, db, monkeypatch):
        monkeypatch.setattr("gateway.services.catalog.reading.CHUNK", 2)
        document = small_catalog()
        put(document, "accounts.4.email", "x")

        (problem,) = problems_of(db, document)

        assert problem.path == "accounts[4].email"

    def test_a_long_value_is_cut(self, db):
        document = small_catalog()
        put(document, "accounts.0.name", "x" * 10_000)

        (problem,) = problems_of(db, document)

        assert len(problem.value) < 100

    @pytest.mark.parametrize(
        "value", [10**5000, [1] * 1000, {"a": 1}, 1.5, None], ids=["huge", "list", "object", "float", "null"]
    )
    def test_any_value_can_be_shown(self, db, value):
        document = small_catalog()
        put(document, "accounts.0.name", value)

        (problem,) = problems_of(db, document)

        assert len(problem.value) < 200

    @pytest.mark.parametrize("document", [None, [], "catalog", 5])
    def test_a_catalog_is_an_object(self, db, document):
        (problem,) = problems_of(db, document)

        assert problem.path == ""
        assert "the document: found" in str(problem)


def json_path(path):
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".")).lstrip(".")


def small_catalog_periods():
    periods: list[dict[str, object]] = small_catalog()["service_plans"][0]["subscription_periods"]
    return periods

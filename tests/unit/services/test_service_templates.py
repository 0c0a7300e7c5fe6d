from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry, ResourceKind, Role, ServiceTemplate
from gateway.services.catalog.editing import ChangedMeanwhileError
from gateway.services.errors import AccountNotAllowedError, RoleNotSufficientError
from gateway.services.service_templates import ServiceTemplateNotFoundError, ServiceTemplates
from tests.factories import NOW
from tests.unit.services.administrating import LATER, administrator, refused, resource_type
from tests.unit.services.helpers import caller_of


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture
def instance(factories):
    return factories.application_instance(id="office365")


@pytest.fixture
def templates(db, factories):
    return ServiceTemplates(db, administrator(db, factories.provider()))


def draft(*types, name="Office 365 Recurring"):
    return {"name": name, "resource_types": list(types)}


class TestCreate:
    def test_it_has_its_resource_types_and_an_id_of_its_name(self, templates, instance):
        other = resource_type(kind="other", name="Office 365 Tenant", offer_id="")

        template = templates.create("office365", draft(resource_type(), other), NOW)

        assert template.id == "office-365-recurring"
        found = {each.key: (each.kind, each.offer_id) for each in template.resource_types}
        assert found == {
            "license-office-365-e1": (ResourceKind.LICENSE, "CFQ7TTC0LF8Q:0001"),
            "other-office-365-tenant": (ResourceKind.OTHER, None),
        }

    def test_a_second_one_of_the_same_name_takes_nothing_from_the_first(self, db, templates, instance):
        first = templates.create("office365", draft(resource_type()), NOW)
        second = templates.create("office365", draft(resource_type(name="E3"), resource_type(name="E3")), NOW)

        assert (first.id, second.id) == ("office-365-recurring", "office-365-recurring-2")
        assert [each.name for each in first.resource_types] == ["Office 365 E1"]
        assert {each.key for each in second.resource_types} == {"license-e3", "license-e3-2"}

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"offer_id": ""}, "resource_types[0].offer_id"),
            ({"offer_id": "E1"}, "resource_types[0].offer_id"),
            ({"kind": "other"}, "resource_types[0].offer_id"),
            ({"kind": "seat"}, "resource_types[0].kind"),
            ({"name": ""}, "resource_types[0].name"),
        ],
    )
    def test_the_rules_of_the_import_hold(self, db, templates, instance, changes, path):
        assert list(refused(lambda: templates.create("office365", draft(resource_type(**changes)), NOW))) == [
            path
        ]
        assert db.scalars(select(ServiceTemplate)).all() == []

    def test_it_needs_a_resource_type_and_a_name(self, templates, instance):
        assert refused(lambda: templates.create("office365", draft(), NOW)) == {
            "resource_types": "at least one resource type"
        }
        assert "name" in refused(lambda: templates.create("office365", draft(resource_type(), name=""), NOW))

    def test_the_audit_log_tells_of_it(self, db, templates, instance, factories):
        templates.create("office365", draft(resource_type()), NOW)

        entry = db.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.account_id) == ("service_template_created", factories.provider().id)
        assert entry.subject == "service template Office 365 Recurring (office-365-recurring)"
        assert entry.detail == "Resource types: Office 365 E1"


class TestChange:
    def test_types_are_renamed_and_added_and_never_lost(self, templates, instance):
        template = templates.create("office365", draft(resource_type(), resource_type(name="E3")), NOW)
        renamed = resource_type(id="license-e3", name="Office 365 E3", kind="addon")

        templates.change(
            "office365", template.id, draft(renamed, resource_type(name="E5")), seen=NOW, now=LATER
        )

        found = {each.key: (each.name, each.kind) for each in template.resource_types}
        assert found == {
            "license-office-365-e1": ("Office 365 E1", ResourceKind.LICENSE),
            "license-e3": ("Office 365 E3", ResourceKind.LICENSE),
            "license-e5": ("E5", ResourceKind.LICENSE),
        }

    def test_what_somebody_else_has_saved_is_not_overwritten(self, templates, instance):
        template = templates.create("office365", draft(resource_type()), NOW)
        templates.change("office365", template.id, draft(resource_type(), name="Theirs"), seen=NOW, now=LATER)

        with pytest.raises(ChangedMeanwhileError, match="Theirs was changed at"):
            templates.change(
                "office365", template.id, draft(resource_type(), name="Mine"), seen=NOW, now=LATER
            )

    def test_one_of_another_instance_is_not_found(self, templates, instance, factories):
        other = factories.service_template(factories.application_instance())

        with pytest.raises(ServiceTemplateNotFoundError):
            templates.change("office365", other.id, draft(resource_type()), seen=NOW, now=LATER)


def test_only_administrators_of_the_provider_write(db, factories, instance):
    operator = ServiceTemplates(db, caller_of(db, factories.provider(), Role.OPERATOR))
    reseller = ServiceTemplates(db, administrator(db, factories.reseller()))

    with pytest.raises(RoleNotSufficientError):
        operator.create("office365", draft(resource_type()), NOW)
    with pytest.raises(AccountNotAllowedError):
        reseller.create("office365", draft(resource_type()), NOW)

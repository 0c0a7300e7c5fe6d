"""Application instances: where they are, what they need, what may travel in clear."""

import pytest

from gateway.settings import with_simulator
from tests.unit.settings.helpers import SECRET, document, instance, read, refusal

SIMULATED = (
    '<applicationInstances><add name="Office 365" partnerCenterUrl="simulator" /></applicationInstances>'
)
SERVICE = "an https:// URL without user name, query and fragment (http:// for this machine only)"


def test_every_attribute_is_read():
    (found,) = read(
        instance(
            partnerCenterUrl="https://example.com/api/",
            authorityUrl="https://login.example.com/",
            tenantId=" contoso.com ",
            refreshToken=" token ",
            country="de",
        )
    ).application_instances

    assert found.name == "Office 365"
    assert found.partner_center_url == "https://example.com/api"
    assert found.authority_url == "https://login.example.com"
    assert (found.tenant_id, found.client_id, found.country) == ("contoso.com", "app", "DE")
    assert found.client_secret.get_secret_value() == SECRET
    assert found.refresh_token.get_secret_value() == " token "
    assert not found.is_simulated


def test_an_empty_attribute_means_its_default():
    (found,) = read(
        instance(partnerCenterUrl="", authorityUrl=" ", refreshToken="", country="")
    ).application_instances

    assert found.partner_center_url == "https://api.partnercenter.microsoft.com"
    assert found.authority_url == "https://login.microsoftonline.com"
    assert (found.refresh_token.get_secret_value(), found.country) == ("", "US")


def test_a_simulated_one_needs_no_credentials():
    (found,) = read(SIMULATED.replace('"simulator"', '"Simulator"')).application_instances

    assert found.is_simulated
    assert found.partner_center_url == "simulator"


def test_one_at_microsoft_needs_credentials():
    section = '<applicationInstances><add name="Office 365" clientId="" /></applicationInstances>'

    problems = refusal(document(section)).problems

    assert [str(problem) for problem in problems] == [
        f"Settings.config, line 2: applicationInstances[Office 365].{name} is missing; "
        'expected a value, unless partnerCenterUrl is "simulator"'
        for name in ("tenantId", "clientId", "clientSecret")
    ]


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "http://127.0.0.1:8080", "http://[::1]:80", "http://127.9.9.9", "https://10.0.0.1"],
)
def test_plain_http_is_for_this_machine_only(url):
    assert read(instance(partnerCenterUrl=url)).application_instances[0].partner_center_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "ftp://example.com",
        "example.com",
        "https://",
        "https://:443",
        "https://example.com:port",
        "https://example.com:99999",
        "https://exa mple.com",
        "https://example.com/#top",
        "https://[::1",
        "simulators",
    ],
)
@pytest.mark.parametrize("attribute", ["partnerCenterUrl", "authorityUrl"])
def test_another_url_is_refused(attribute, url):
    (problem,) = refusal(document(instance(**{attribute: url}))).problems

    assert (problem.line, problem.key) == (2, f"applicationInstances[Office 365].{attribute}")
    assert problem.value == url
    assert problem.allowed.endswith(SERVICE)


@pytest.mark.parametrize("url", ["https://me:hunter2@example.com", "https://example.com/?code=hunter2"])
def test_a_url_that_may_hold_a_secret_is_refused_and_not_shown(url):
    (problem,) = refusal(document(instance(partnerCenterUrl=url))).problems

    assert problem.value == "(hidden)"


@pytest.mark.parametrize(
    ("attribute", "text", "allowed"),
    [
        ("tenantId", "../x", "a tenant id or a domain name"),
        ("tenantId", "contoso.com/x", "a tenant id or a domain name"),
        ("clientId", "a b", "an application id"),
        ("country", "USA", "the two letters of a country, such as US"),
        ("country", "1", "the two letters of a country, such as US"),
    ],
)
def test_a_wrong_value_is_refused(attribute, text, allowed):
    (problem,) = refusal(document(instance(**{attribute: text}))).problems

    assert problem.key == f"applicationInstances[Office 365].{attribute}"
    assert (problem.value, problem.allowed) == (text, allowed)


def test_names_are_unique_without_regard_to_case():
    section = (
        '<applicationInstances><add name="A" partnerCenterUrl="simulator" />'
        '<add name="a" partnerCenterUrl="simulator" /></applicationInstances>'
    )

    (problem,) = refusal(document(section)).problems

    assert (problem.key, problem.fault) == ("a", "is given a second time, first in line 2")


def test_an_instance_is_found_without_regard_to_case():
    settings = read(SIMULATED)

    assert settings.instance("OFFICE 365") is settings.application_instances[0]
    assert settings.instance("Office") is None


def test_instances_are_removed_and_cleared():
    section = (
        '<applicationInstances><add name="A" partnerCenterUrl="simulator" /><clear />'
        '<add name="B" partnerCenterUrl="simulator" /><add name="C" partnerCenterUrl="simulator" />'
        '<remove name="b" /></applicationInstances>'
    )

    assert [each.name for each in read(section).application_instances] == ["C"]


class TestWithSimulator:
    def test_simulated_instances_talk_to_it_with_demonstration_credentials(self):
        (found,) = with_simulator(read(SIMULATED), "http://127.0.0.1:9/").application_instances

        assert found.is_simulated
        assert found.partner_center_url == found.authority_url == "http://127.0.0.1:9"
        assert (found.tenant_id, found.client_id) == ("simulated-partner.onmicrosoft.com", "simulated-client")
        assert found.client_secret.get_secret_value() == "simulated-secret"
        assert found.refresh_token.get_secret_value() == "simulated-refresh-token"

    def test_credentials_that_are_given_stay(self):
        (found,) = with_simulator(
            read(instance(partnerCenterUrl="simulator")), "http://[::1]:9"
        ).application_instances

        assert (found.tenant_id, found.client_id, found.client_secret.get_secret_value()) == (
            "contoso.com",
            "app",
            SECRET,
        )

    def test_an_instance_at_microsoft_stays_as_it_is(self):
        settings = read(instance())

        assert with_simulator(settings, "http://127.0.0.1:9") == settings

"""Settings.config and its second files, from the disk to one frozen object."""

from __future__ import annotations

from pathlib import Path

from gateway.settings.document import MAX_BYTES, Element, read_document
from gateway.settings.elements import check_each_once, check_element
from gateway.settings.errors import Findings, Problem, SettingsError
from gateway.settings.models import GatewaySettings
from gateway.settings.sections import app_settings, application_instances, application_pool, database_url

ROOT = "configuration"
SECTIONS = ("appSettings", "connectionStrings", "applicationInstances", "applicationPool")
WITH_SECOND_FILE = ("appSettings", "applicationInstances")


def load_settings(path: Path) -> GatewaySettings:
    """The settings of a file.

    :raises SettingsError: when it cannot be read, or when anything in it or in its second files is wrong
    """
    data = _read(path, path.name)
    if data is None:
        problem = Problem(path.name, None, str(path), "", "a Settings.config", "does not exist")
        raise SettingsError([problem])
    return parse_settings(data, path)


def parse_settings(data: bytes, path: Path) -> GatewaySettings:
    """The settings of the bytes of a file; `path` names it in messages and tells where the others are.

    :raises SettingsError: when anything in it or in its second files is wrong, with all that is
    """
    document = read_document(data, path.name, ROOT)
    findings = Findings()
    settings = _settings(document, path, findings)
    if findings.problems:
        order = sorted(
            findings.problems, key=lambda each: (each.file != path.name, each.file, each.line or 0)
        )
        raise SettingsError(order)
    return GatewaySettings.model_validate(settings)


def settings_files(path: Path) -> tuple[Path, ...]:
    """The file and those that its `file` attributes name, whether or not they exist.

    A file that cannot be read names no others.
    """
    try:
        document = read_document(_read(path, path.name) or b"", path.name, ROOT)
    except SettingsError:
        return (path,)
    named = [document.child(name) for name in WITH_SECOND_FILE]
    others = [path.parent / name for section in named if section and (name := _second_name(section))]
    return tuple(dict.fromkeys([path, *others]))


def _settings(document: Element, path: Path, findings: Findings) -> dict[str, object]:
    check_element(document, (), SECTIONS, findings)
    check_each_once(document, findings)
    found = {name: _with_second_file(document.child(name), path.parent, findings) for name in SECTIONS}
    default_url = str(GatewaySettings.model_fields["database_url"].default)
    return {
        "app": app_settings(found["appSettings"], findings),
        "database_url": database_url(found["connectionStrings"], path.parent, default_url, findings),
        "application_instances": application_instances(found["applicationInstances"], findings),
        "application_pool": application_pool(document.child("applicationPool"), findings),
        "warnings": tuple(findings.warnings),
    }


def _with_second_file(section: Element | None, folder: Path, findings: Findings) -> list[Element]:
    """The section, and the one of its second file if there is such a file."""
    if section is None:
        return []
    name = _second_name(section)
    if name is None:
        return [section]
    try:
        data = _read(folder / name, name)
        return [section] if data is None else [section, _second_section(data, name, section.name)]
    except SettingsError as error:
        for problem in error.problems:
            findings.add(problem)
        return [section]


def _second_section(data: bytes, name: str, root: str) -> Element:
    section = read_document(data, name, root)
    if section.attributes:
        fault = "has attributes"
        raise SettingsError([section.problem(f"<{root}>", "", f"<{root}> without attributes", fault)])
    return section


def _second_name(section: Element) -> str | None:
    if section.name not in WITH_SECOND_FILE:
        return None
    return section.attributes.get("file", "").strip() or None


def _read(path: Path, name: str) -> bytes | None:
    """The bytes of a file, and one byte too many of one that is too large; none when it does not exist.

    :raises SettingsError: when it cannot be read
    """
    try:
        if not path.exists():
            return None
        if not path.is_file():
            raise SettingsError([Problem(name, None, "the file", "", "a file", "is no regular file")])
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name is not usable"
        fault = f"cannot be read ({reason})"
        raise SettingsError([Problem(name, None, "the file", "", "a readable file", fault)]) from None

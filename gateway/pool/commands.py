"""The command line of the application pool.

Exit codes: 0 done, 1 failed, 2 wrong use or invalid file, 3 the pool is not running.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.pool.control import ask
from gateway.pool.errors import PoolError, PoolNotRunningError, PoolRefusedError
from gateway.pool.table import columns, table

FAILED = 1
WRONG_USE = 2
NOT_RUNNING = 3

Command = Callable[..., Any]


def where(command: Command) -> Command:
    """Add the options that say which pool is meant."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("Settings.config"),
        show_default=True,
        help="Settings file of the pool.",
    )
    var = click.option(
        "--var",
        type=click.Path(path_type=Path, file_okay=False),
        help="Data folder of the pool  [default: var beside the settings file]",
    )
    return config(var(command))


def with_json(command: Command) -> Command:
    """Add the option that asks for JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def var_folder(config: Path, var: Path | None) -> Path:
    return var if var is not None else config.absolute().parent / "var"


def fail(text: str, code: int, *, as_json: bool = False) -> int:
    if as_json:
        echo_json({"ok": False, "problem": text})
    else:
        click.echo(text, err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Runs the gateway in an application pool, and commands the running pool."""


@cli.command()
@where
@click.option(
    "--ini",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=Path("web.ini"),
    show_default=True,
    help="PasteDeploy file of the application.",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Address to listen on  [default: the one in the ini file]"
)
def start(config: Path, var: Path | None, ini: Path, listen: str | None) -> int:
    """Run the pool in the foreground until Ctrl-C."""
    # The other commands are many times quicker without what this one needs.
    from gateway.pool.starting import run_pool

    try:
        return run_pool(config, var_folder(config, var), ini, listen)
    except PoolRefusedError as exc:
        return fail(str(exc), WRONG_USE)
    except PoolError as exc:
        return fail(str(exc), FAILED)


@cli.command()
@where
@with_json
def status(config: Path, var: Path | None, as_json: bool) -> int:
    """Show how the pool is."""
    return command_pool(config, var, "status", as_json, lambda answer: (answer["status"], table))


@cli.command()
@where
@with_json
@click.option("--wait", is_flag=True, help="Return when the new worker serves.")
def recycle(config: Path, var: Path | None, as_json: bool, wait: bool) -> int:
    """Replace the worker by a new one."""
    return command_pool(config, var, "recycle", as_json, wait=wait)


@cli.command()
@where
@with_json
@click.option("--exit", "end", is_flag=True, help="End the supervisor as well.")
def stop(config: Path, var: Path | None, as_json: bool, end: bool) -> int:
    """Stop the worker; clients are answered 503 until start-pool."""
    return command_pool(config, var, "stop", as_json, exit=end)


@cli.command("start-pool")
@where
@with_json
def start_pool(config: Path, var: Path | None, as_json: bool) -> int:
    """Start a stopped pool; returns when its worker serves."""
    return command_pool(config, var, "start-pool", as_json)


@cli.command("list-workers")
@where
@with_json
def list_workers(config: Path, var: Path | None, as_json: bool) -> int:
    """List the worker processes, with their requests and memory."""
    return command_pool(config, var, "list-workers", as_json, lambda answer: (answer["workers"], columns))


@cli.command("list-requests")
@where
@with_json
def list_requests(config: Path, var: Path | None, as_json: bool) -> int:
    """List the requests that are being answered, the longest first."""
    return command_pool(config, var, "list-requests", as_json, lambda answer: (answer["requests"], columns))


@cli.command()
@where
@with_json
@click.option("--count", type=click.IntRange(min=0), default=50, show_default=True, help="How many.")
def events(config: Path, var: Path | None, as_json: bool, count: int) -> int:
    """Show what happened to the pool, the newest last; the pool need not run."""
    from gateway.pool.events import event_line, events_file, read_events

    try:
        found = read_events(events_file(var_folder(config, var)), count)
    except OSError as exc:
        return fail(f"events cannot be read: {exc}", FAILED, as_json=as_json)
    if as_json:
        echo_json(found)
        return 0
    for event in found:
        click.echo(event_line(event))
    return 0


@cli.command()
@where
@with_json
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def validate(config: Path, var: Path | None, as_json: bool, file: Path | None) -> int:
    """Check a settings file, by default that of the pool."""
    from gateway.settings import SettingsError, load_settings

    path = file or config
    try:
        settings = load_settings(path)
    except SettingsError as exc:
        if as_json:
            echo_json({"valid": False, "problems": [str(problem) for problem in exc.problems]})
            return WRONG_USE
        return fail(str(exc), WRONG_USE)
    if as_json:
        echo_json({"valid": True, "revision": settings.revision, "warnings": settings.warnings})
        return 0
    for warning in settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{path} is valid, revision {settings.revision}")
    return 0


@cli.command("set")
@where
@with_json
@click.argument("key")
@click.argument("value")
def set_value(config: Path, var: Path | None, as_json: bool, key: str, value: str) -> int:
    """Change one setting in the file, and return when the pool runs with it.

    KEY is one of appSettings, such as LOG_LEVEL, or an attribute such as processModel.pingInterval.
    """
    from gateway.pool.changing import change_setting

    try:
        changes = change_setting(config, key, value)
    except PoolRefusedError as exc:
        return fail(str(exc), WRONG_USE, as_json=as_json)
    except PoolError as exc:
        return fail(str(exc), FAILED, as_json=as_json)
    outcome, code = take_over(config, var) if changes else ("unchanged", 0)
    shown = [{"key": c.key, "old": c.old, "new": c.new} for c in changes]
    if as_json:
        echo_json({"changes": shown, "outcome": outcome})
        return code
    for change in changes:
        click.echo(f"{change.key}: {change.old} -> {change.new}")
    click.echo(outcome, err=code != 0)
    return code


def take_over(config: Path, var: Path | None) -> tuple[str, int]:
    """Have the running pool take the file over; return the outcome and the exit code."""
    try:
        answer = ask(var_folder(config, var), "take-over")
    except PoolNotRunningError:
        return "saved; no pool runs", 0
    except PoolError as exc:
        return f"saved, but the pool cannot be asked: {exc}", FAILED
    if not answer["ok"]:
        return f"saved, but the pool goes on with the last good values: {answer['problem']}", FAILED
    return "saved; applied later, for the pool does not recycle now" if answer[
        "not_applied"
    ] else "in force", 0


Shown = tuple[Any, Callable[[Any], str]]
"""A part of an answer, and what makes it readable for a person."""


def command_pool(
    config: Path,
    var: Path | None,
    command: str,
    as_json: bool,
    shown: Callable[[dict[str, Any]], Shown] | None = None,
    **arguments: Any,
) -> int:
    """Send a command to the running pool, print what it answers; return the exit code."""
    try:
        answer = ask(var_folder(config, var), command, **arguments)
    except PoolNotRunningError as exc:
        return fail(str(exc), NOT_RUNNING, as_json=as_json)
    except PoolError as exc:
        return fail(str(exc), FAILED, as_json=as_json)
    if not answer["ok"]:
        problem = answer["problem"]
        return fail(problem if as_json else f"{command}: {problem}", FAILED, as_json=as_json)
    content, readable = shown(answer) if shown is not None else (answer, None)
    if as_json:
        echo_json(content)
    elif readable is not None and content:
        click.echo(readable(content))
    return 0


def echo_json(content: Any) -> None:
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def main() -> int:
    """Run the command line; return its exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        return FAILED
    return code if isinstance(code, int) else 0

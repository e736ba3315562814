"""Owns the command line: which commands there are, in which order, and what the shell is told in the end. API.md section 10."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from errno import EINVAL
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final, NamedTuple, TextIO

import click

from kubectl_obtask.options import normalised, shared_options, taken
from kubectl_obtask.outcome import ExitCode


class Offered(NamedTuple):
    """A command: its module in `commands`, with its name there if there are several, and what it does."""

    where: str
    about: str


# A command is imported only when it is used: some need what takes long to import, and the list of all must not wait for them.
COMMANDS: Final[Mapping[str, Offered]] = {
    "list": Offered("list", "List tasks, unfinished ones first."),
    "watch": Offered("watch", "Watch tasks, their steps and logs, and act on them."),
    "tree": Offered("tree", "Show the steps of a task: subtasks, attempts, times, and what failed."),
    "logs": Offered("logs", "Print the log of what runs, else of what failed."),
    "why": Offered("why", "Say what a task waits for, since when, and what to type."),
    "locks": Offered("locks", "Show who holds which lock, since when, and who waits behind it."),
    "wait": Offered("wait", "Wait until tasks are finished; a task that is Failed is not waited for."),
    "retry": Offered("act:retry", "Run what failed again, then go on."),
    "rollback": Offered("act:rollback", "Undo what was done, from the failed step back to the first."),
    "skip": Offered("act:skip", "Give the task up as it is, and free its lock."),
    "skip-step": Offered("act:skip_step", "Leave what failed as it is, and go on with the next step."),
    "cancel": Offered("act:cancel", "End a task that has not started; stop what runs of another one."),
    "approve": Offered("act:approve", "Let a task that awaits approval go on."),
    "run": Offered("run", "Create a task, and follow it until it rests."),
    "templates": Offered("templates", "List the templates of tasks, or show one."),
    "download": Offered("download", "Download the evidence bundle: the task, its logs, Events and history."),
    "web": Offered("web", "Run the Task Center on 127.0.0.1, and print a link that signs in once."),
    "version": Offered("version", "Print the version of the plugin."),
    "completion": Offered("completion", "Print what completes `kubectl obtask` in a shell: source <(kubectl obtask completion bash)."),
}
INTERRUPTED: Final = 130
EPILOG: Final = """\
\b
All of kubectl's connection flags can be used, before or after the command: --context, --kubeconfig, -n, --as, ...

\b
Exit codes:
  0    done, or accepted
  1    error
  2    the command line is wrong
  3    the task is Failed and waits for a person
  4    the task ended otherwise: RolledBack, Skipped, Cancelled, Rejected
  5    refused: not allowed now, or no right to do it
  124  timeout
"""


class Commands(click.Group):
    """All commands, imported one by one."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += shared_options()

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's interface
        """Return the names of all commands, in the order of the help."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's interface
        """Return a command; a module with only one has it under the name `command`."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].where.partition(":")
        found: click.Command = getattr(import_module(f"kubectl_obtask.commands.{module}"), name or "command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's interface
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, offered.about) for name, offered in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags before the command as kubectl would."""
        return super().parse_args(ctx, normalised(args, self.params, to_the_first=True))

    def invoke(self, ctx: click.Context) -> Any:
        """Keep the flags before the command for the command."""
        ctx.obj = taken(ctx.params)
        return super().invoke(ctx)

    def first_screen(self) -> Any:
        """Show what there is, where no command is given."""
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            return None
        shown = import_module("kubectl_obtask.commands.list").first_screen
        with shown.make_context("list", [], parent=context) as listing:
            return shown.invoke(listing)


def build() -> click.Group:
    """Return the command line with all its commands."""
    commands = Commands(
        "obtask",
        help="OBTask operator's Task Center in the terminal: maintenance tasks of OceanBase.",
        epilog=EPILOG,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    commands.callback = commands.first_screen
    return commands


def prepare(out: TextIO, err: TextIO, environment: Mapping[str, str]) -> None:
    """Let the streams take any text. What is read by a program is UTF-8, as all that kubectl prints, also where terminals are not."""
    for stream in (out, err):
        if isinstance(stream, TextIOWrapper):
            utf8 = stream is out and not stream.isatty() and not environment.get("PYTHONIOENCODING")
            stream.reconfigure(encoding="utf-8" if utf8 else None, errors="backslashreplace")


def run(words: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    prepare(sys.stdout, sys.stderr, os.environ)
    try:
        ended = build().main(list(words), prog_name="kubectl obtask", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        # Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == EINVAL):  # so Windows calls it
            return ExitCode.DONE  # whoever reads has read enough
        with suppress(OSError):
            print(f"kubectl obtask: {error.strerror or error}", file=sys.stderr, flush=True)  # noqa: T201 - the end of it
        return ExitCode.ERROR
    return int(ended or ExitCode.DONE)

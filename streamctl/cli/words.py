"""What people type instead of our commands and options, and what helps them: read only when a word was not found."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamctl.errors import listed, shell_quoted

# Never offered to somebody who mistyped something else, for what they do can't be taken back: rows, names, debts and
# everything since a backup are lost, numbers are given for ever, other people's streams end.
DESTROYING = ("delete", "erase", "void", "restore", "issue", "expire", "takeover")
# Neither are these, which leave out a question or a rule.
UNASKED = ("--yes", "--force")

# What people call our groups.
GROUP_NAMES = {
    "members": "member user users customer customers account accounts subscriber subscribers membership memberships",
    "invoices": "invoice bill bills billing",
    "lines": "line item items charge charges",
    "stream": "streams session sessions device devices play",
    "report": "reports stats statistics summary",
    "log": "logs audit history journal",
    "db": "database sqlite postgres",
}
# What people call our commands, wherever we have them. Of what destroys only how it is used is shown.
COMMAND_NAMES = {
    "list": "ls all index",
    "show": "get view info read describe cat details",
    "add": "new create insert register signup",
    "create": "new add insert make",
    "update": "edit set change modify patch rename",
    "delete": "rm remove del drop destroy",
    "cancel": "unsubscribe deactivate disable terminate",
    "reactivate": "activate enable uncancel",
    "renew": "extend prolong",
    "enroll": "enrol subscribe join",
    "erase": "anonymize anonymise forget gdpr",
    "pay": "paid settle",
    "reopen": "open unpay unvoid",
    "generate": "bill charge",
    "issue": "close finalize send number",
    "overdue": "due unpaid dunning remind arrears",
    "render": "print pdf html document email",
    "checkin": "start open begin play",
    "checkout": "stop end close finish",
    "heartbeat": "ping alive touch",
    "watch": "live monitor top tail follow",
    "revenue": "sales income earnings turnover",
    "ageing": "aging age receivables debtors",
    "undo": "revert rollback reverse",
    "set": "config configure setting settings",
    "info": "status stats version path list show",
    "load": "import",
    "dump": "export",
    "migrate": "upgrade",
    "backup": "save snapshot",
    "restore": "recover",
    "sandbox": "copy clone rehearse",
}
SEARCH = "search find lookup grep filter"
REFUND = "refund repay chargeback"
EXPORT = "export download csv json"
# What we do not have, or have under another name: in which group (in any without one), what is typed, what is so, and
# the command that helps. `{}` is the word that follows; without one help on the command is shown instead. Whatever is
# pasted from here only shows something.
ADVICE = (
    ("", "pause suspend freeze hold", "There is no pausing yet; see what an end does", "members cancel {} --dry-run"),
    ("", "resume unpause", "There is no pausing yet; see what a return does", "members reactivate {} --dry-run"),
    ("members", SEARCH, "Find members by a part of their address", "members list --email {}"),
    ("invoices", SEARCH, "Find invoices by their member", "invoices list --member {}"),
    ("lines", SEARCH, "Find lines by their member", "lines list --member {}"),
    ("stream", SEARCH, "Find streams by their member", "stream list --all --member {}"),
    ("log", SEARCH, "Find entries by their member", "log list --member {}"),
    ("invoices", REFUND, "There are no refunds yet; see what was paid", "invoices show {}"),
    ("", REFUND, "There are no refunds yet; see what was paid", "invoices list --status PAID --member {}"),
    ("", "credit creditnote", "There are no credit notes yet; see how to give a discount", "lines add --help"),
    ("", "plan plans price", "There are no plans yet; see how a fee and credits are set", "members update --help"),
    ("", "payment payments", "See the invoices that are paid", "invoices list --status PAID"),
    ("", "import upload", "See how a dump or a Django fixture is read", "db load --help"),
    ("report", EXPORT, "Every report can be had as CSV or JSON", "report revenue --format csv"),
    ("", EXPORT, "Every list can be had as CSV or JSON", "{group} list --format csv"),
    ("", "login logout auth password role", "Nobody logs in; see which database it is", "db info"),
    ("", "config configure settings setting", "See what is set", "db info"),
    ("", "version", "It is an option", "--version"),
    ("stream", "show get view", "Streams are shown in lists", "stream list --all"),
    ("db", "reset wipe empty clear", "Nothing empties a database; see how another is begun", "db init --help"),
)
OPTIONS = {
    "--member": "--user --customer --account --subscriber",
    "--output": "--out --file",
    "--format json": "--json",
    "--format csv": "--csv",
    "--format tsv": "--tsv",
    "--dry-run": "--dry --simulate --rehearse --preview --test",
    "--from": "--since --after",
    "--to": "--until --before",
    "--sort": "--order --order-by",
    "--limit": "--max --top --head",
    "--columns": "--fields",
    "--description": "--text --comment",
    "--amount": "--price --total --sum",
    "--fee": "--price --cost",
    "--credits": "--limit --streams",
}


READING = ("list", "show", "overdue", "why", "info")  # commands that may be pasted with all that was typed


def advice(root: Any, group: str, typed: Sequence[str]) -> str:
    """A hint for who typed these words where the group (the root where it is "") has no command of that name."""
    commands = {name: list(one.commands) for name, one in root.commands.items()}
    word, rest = typed[0].lower(), typed[1:]
    if group:
        if hint := _known(commands, group, word, rest):
            return hint
        name = _closest(word, [one for one in commands[group] if one not in DESTROYING])
        return (
            f"Did you mean {name}? {_usage(group, name)}"
            if name
            else f"See what there is with: streamctl {group} --help"
        )
    if name := _called(GROUP_NAMES, word, commands):
        own = next((one for one in rest[:1] if one in commands[name]), "")
        like = f"streamctl {name} {' '.join(map(shell_quoted, rest))}" if own in READING else ""
        return f"The group is called {name}. {f'Do it with: {like}' if like else _usage(name, own)}"
    if homes := [name for name, own in commands.items() if word in own]:
        return f"It is a command of {listed(homes)}. {_usage(homes[0], word)}"
    if hint := next(filter(None, (_known(commands, name, word, rest) for name in commands)), ""):
        return hint
    name = _closest(word, commands)
    return f"Did you mean {name}? {_usage(name)}" if name else "See what there is with: streamctl --help"


def option(typed: str, known: Sequence[str]) -> str:
    """What somebody meant by an option that the command does not have; nothing where nobody can tell."""
    ours = _called(OPTIONS, typed, [one for one in OPTIONS if one.partition(" ")[0] in known])
    bare = [one.removeprefix("--") for one in known if one not in UNASKED]
    closest = _closest(typed.strip("-"), bare)
    return ours or (f"--{closest}" if closest else "")


def _known(commands: Mapping[str, Sequence[str]], group: str, word: str, rest: Sequence[str]) -> str:
    """What we know of a word that people type in the group; nothing of other words."""
    if name := _called(COMMAND_NAMES, word, commands[group]):
        return f"It is called {name}. {_usage(group, name)}"
    listing = group if "list" in commands[group] else "members"
    for where, words, what, command in ADVICE:
        if where in ("", group) and word in words.split():
            return f"{what}: streamctl {_filled(command.replace('{group}', listing), rest)}"
    return ""


def _usage(group: str, command: str = "") -> str:
    return f"See how it is used with: streamctl {group} {command} --help".replace("  ", " ")


def _filled(command: str, rest: Sequence[str]) -> str:
    """The command with the first argument that was typed, if there was any, in its place."""
    if "{}" not in command:
        return command
    if rest and not rest[0].startswith("-"):
        return command.replace("{}", shell_quoted(rest[0]))
    return f"{' '.join(command.split()[:2])} --help"


def _called(names: Mapping[str, str], word: str, known: Iterable[str]) -> str:
    """The first of those we have that people call so, or nothing."""
    return next((name for name in known if word in names.get(name, "").split()), "")


def _closest(word: str, known: Iterable[str]) -> str:
    """The most similar of those, if one is similar at all."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1)), "")

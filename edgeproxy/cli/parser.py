"""The command line's grammar. Help and shell completion are made from it."""

import argparse
import sys
from typing import NoReturn

from edgeproxy import __version__
from edgeproxy.cli.output import say_error
from edgeproxy.control.config.problems import nearest

EXIT_CODES = "exit codes: 0 done, 1 it failed or the configuration is bad, 2 asked wrongly"
SHELLS = ("bash", "zsh", "fish")


class Parser(argparse.ArgumentParser):
    """Says what is wrong as every other error is said."""

    def error(self, message: str) -> NoReturn:
        say_error(*_plain(message, self))
        sys.exit(2)


def _plain(message: str, parser: argparse.ArgumentParser) -> tuple[str, str]:
    if "invalid choice:" in message:
        given = message.split("invalid choice: '", 1)[-1].split("'", 1)[0]
        known = [word for action in parser._actions for word in action.choices or ()]
        match = nearest(given, known)
        hint = f"did you mean `{match}`?" if match else f"{parser.prog} --help"
        return f"no such word here: `{given}`", hint
    return message, f"{parser.prog} --help"


def build_parser() -> Parser:
    parser = Parser(
        prog="edgeproxy",
        description="One OpenAI-compatible endpoint over every model provider.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"edgeproxy {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    _up(verbs.add_parser("up", help="serve what the environment has keys for; no file needed", epilog=EXIT_CODES))
    _serve(verbs.add_parser("serve", help="serve a configuration file", epilog=EXIT_CODES))
    _check(verbs.add_parser("check", help="judge a configuration file, offline", epilog=EXIT_CODES))
    _healthcheck(verbs.add_parser("healthcheck", help="ask a running node whether it is ready", epilog=EXIT_CODES))
    _reload(verbs.add_parser("reload", help="make a running node read its configuration again", epilog=EXIT_CODES))
    _config(verbs.add_parser("config", help="show the effective configuration, or its schema", epilog=EXIT_CODES))
    _models(verbs.add_parser("models", help="list the catalog's models, or a configuration's", epilog=EXIT_CODES))
    _keys(verbs.add_parser("keys", help="make a key", epilog=EXIT_CODES))
    completion = verbs.add_parser("completion", help="print the shell's completion script", epilog=EXIT_CODES)
    completion.add_argument("shell", choices=SHELLS, help="the shell")
    return parser


def _up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="host to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port for calls (default 8080)")
    parser.add_argument("--ops-port", type=_port, help="port for metrics, health and the console (default 8081)")


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="the configuration file")
    parser.add_argument("--listen", metavar="HOST:PORT", help="address for calls, instead of the file's")
    parser.add_argument("--ops", metavar="HOST:PORT", help="address for metrics and health, instead of the file's")
    parser.add_argument("--workers", metavar="N", help="processes that relay: a number, or auto")
    parser.add_argument("--watch", action="store_true", help="reload when the file changes")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the configuration file")
    parser.add_argument(
        "--format", choices=("human", "json", "github"), default="human", help="how problems are printed"
    )


def _healthcheck(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="what to ask (default: /readyz of the ops address)")


def _reload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="what to post to (default: /-/reload of the ops address)")
    parser.add_argument(
        "--workers", action="store_true", help="replace the workers too, one by one: new code and new limits"
    )


def _config(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="config_verb", metavar="VERB", required=True, parser_class=Parser)
    show = verbs.add_parser("show", help="print the effective configuration, secrets masked")
    show.add_argument("--config", metavar="FILE", help="the configuration file (default: none)")
    show.add_argument("--origin", action="store_true", help="say where each value came from")
    verbs.add_parser("schema", help="print the JSON Schema of the file")


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="list this configuration's models")
    parser.add_argument("--provider", help="only this provider")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--version", action="store_true", dest="catalog_version", help="print the catalog's date and hash"
    )


def _keys(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="keys_verb", metavar="VERB", required=True, parser_class=Parser)
    make = verbs.add_parser("make", help="print a new key and its SHA-256 digest")
    make.add_argument("--json", action="store_true", help="print JSON")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)

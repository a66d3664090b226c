"""Shell completion scripts, printed from the parser: nothing is asked of Python while one types."""

import argparse
from collections.abc import Iterator

from edgeproxy.cli.parser import build_parser

FILE_FLAGS = ("--config",)


def script(shell: str) -> str:
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


Word = tuple[str, str]  # what may be typed, and its help


def commands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[Word]]]:
    """Every command path with the words that may follow it and their help; `FILE` stands for a file's name."""
    words: list[tuple[str, str]] = []
    below: list[tuple[tuple[str, ...], argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            words += [(name, helps.get(name, "")) for name in action.choices]
            below += [((*path, name), sub) for name, sub in action.choices.items()]
        elif action.option_strings:
            words += [(flag, action.help or "") for flag in action.option_strings if flag.startswith("--")]
        elif action.choices:
            words += [(str(choice), action.help or "") for choice in action.choices]
        elif action.metavar == "FILE":
            words.append(("FILE", action.help or ""))
    yield path, words
    for deeper, sub in below:
        yield from commands(sub, deeper)


def _cases() -> list[tuple[str, list[tuple[str, str]]]]:
    return [(" ".join(path), words) for path, words in commands(build_parser())]


def _names(words: list[tuple[str, str]]) -> str:
    return " ".join(word for word, _ in words if word != "FILE")


def _bash() -> str:
    lines = ["# edgeproxy completion for bash:  source <(edgeproxy completion bash)", "_edgeproxy() {"]
    lines += [
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" path="" word',
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$word" in -*) break ;; *) path="${path:+$path }$word" ;; esac',
        "    done",
        f'    case "$previous" in {"|".join(FILE_FLAGS)}) COMPREPLY=($(compgen -f -- "$current")); return ;; esac',
        '    case "$path" in',
    ]
    for path, words in _cases():
        files = ' $(compgen -f -- "$current")' if any(word == "FILE" for word, _ in words) else ""
        lines.append(f'        "{path}") COMPREPLY=($(compgen -W "{_names(words)}" -- "$current"){files}) ;;')
    return "\n".join([*lines, "    esac", "}", "complete -F _edgeproxy edgeproxy", ""])


def _zsh() -> str:
    lines = [
        "#compdef edgeproxy",
        "# edgeproxy completion for zsh:  source <(edgeproxy completion zsh)",
        "_edgeproxy() {",
    ]
    lines += [
        '  local path_words="" word',
        "  for word in ${words[2,CURRENT-1]}; do",
        '    case "$word" in -*) break ;; *) path_words="${path_words:+$path_words }$word" ;; esac',
        "  done",
        f'  case "${{words[CURRENT-1]}}" in {"|".join(FILE_FLAGS)}) _files; return ;; esac',
        '  case "$path_words" in',
    ]
    for path, words in _cases():
        described = " ".join(_quoted(f"{word}:{help}") for word, help in words if word != "FILE")
        files = "; _files" if any(word == "FILE" for word, _ in words) else ""
        lines.append(f'    "{path}") local -a found=({described}); _describe edgeproxy found{files} ;;')
    return "\n".join([*lines, "  esac", "}", "compdef _edgeproxy edgeproxy", ""])


def _fish() -> str:
    lines = ["# edgeproxy completion for fish:  edgeproxy completion fish | source", "complete -c edgeproxy -f"]
    for path, words in _cases():
        condition = _fish_condition(path)
        for word, help in words:
            if word == "FILE":
                lines.append(f"complete -c edgeproxy -n {condition} -F")
            elif word.startswith("--"):
                files = " -r -F" if word in FILE_FLAGS else ""
                lines.append(f"complete -c edgeproxy -n {condition} -l {word[2:]}{files} -d {_quoted(help)}")
            else:
                lines.append(f"complete -c edgeproxy -n {condition} -a {word} -d {_quoted(help)}")
    return "\n".join([*lines, ""])


def _fish_condition(path: str) -> str:
    if not path:
        return "__fish_use_subcommand"
    return _quoted("; and ".join(f"__fish_seen_subcommand_from {word}" for word in path.split()))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "’") + "'"

"""The `edgeproxy` command: one verb, one function; errors in one shape."""

import argparse
import sys
from collections.abc import Callable, Sequence

from edgeproxy.cli import offline, ops, serving
from edgeproxy.cli.output import Failure, is_coloured, note, say_error
from edgeproxy.cli.parser import build_parser
from edgeproxy.control.config import ConfigRejected, render
from edgeproxy.domain.errors import EdgeproxyError

VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": serving.up,
    "serve": serving.serve,
    "check": offline.check,
    "healthcheck": ops.healthcheck,
    "reload": ops.reload,
    "config": offline.config,
    "models": offline.models,
    "keys": offline.keys,
    "completion": offline.print_completion,
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        return VERBS[options.verb](options)
    except Failure as failure:
        say_error(failure.message, failure.hint)
        return failure.code
    except ConfigRejected as rejected:
        for problem in rejected.problems:
            note(render(problem, is_coloured=is_coloured(sys.stderr)))
        return 1
    except EdgeproxyError as error:
        say_error(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader left (`edgeproxy models | head`): nothing more to say, and nothing to flush at exit.
        sys.stdout = None
        return 0

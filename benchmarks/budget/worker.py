"""A worker of which each Python function is a function to callgrind: `worker.py NAMES -m MODULE ARGUMENT...`.

NAMES is where the numbers of the functions go; "-" leaves the interpreter as it is.
"""

import importlib
import importlib.util
import runpy
import sys


def main() -> None:
    names, module = sys.argv[1], sys.argv[3]
    importlib.import_module(module)  # what runs only once at import needs no number
    if names != "-":
        spec = importlib.util.find_spec("frames")
        assert spec is not None
        importlib.import_module("frames").on(names)
    sys.argv = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


main()

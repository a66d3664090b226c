"""Build the core: `_core/*.pyx` become the extension modules `edgeproxy._core.*`.

What runs per call above the core is Python that is compiled too: every `edgeproxy/**/X.py` with an `X.pxd` beside it,
which says its types.

CORE_TRACE=1     trace lines, so that coverage can see the .pyx files
CORE_ANNOTATE=1  write HTML reports to build/cython/: the yellower a line, the more Python it costs
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

SOURCES = sorted(Path("_core").glob("*.pyx"))
TYPED = sorted(path.with_suffix(".py") for path in Path("edgeproxy").rglob("*.pxd"))
HEADERS = Path("build/include")
DEPENDS = [path.as_posix() for path in sorted(Path("_core").glob("*.p[xy][xd]"))]  # also ships them in the sdist
DEPENDS += [path.with_suffix(".pxd").as_posix() for path in TYPED]
DEPENDS += [path.as_posix() for path in sorted(Path("_core").glob("*.h"))]
TRACE = bool(os.environ.get("CORE_TRACE"))
ANNOTATE = bool(os.environ.get("CORE_ANNOTATE"))

DIRECTIVES = {
    "language_level": 3,
    "auto_pickle": False,
    "autotestdict": False,
    "freethreading_compatible": True,
    "linetrace": TRACE,
}
OF_THE_CORE = {"boundscheck": TRACE, "wraparound": False, "initializedcheck": TRACE, "cdivision": True}
AS_PYTHON = {"nonecheck": True}
TRACE_MACROS = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]


def link_headers() -> None:
    """Let `_core/` answer to the package path by which Cython looks up .pxd files."""
    link = HEADERS / "edgeproxy" / "_core"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path("_core").resolve(), target_is_directory=True)


def extension(source: Path) -> Extension:
    module = source.with_suffix("").as_posix().replace("/", ".")
    return Extension(
        f"edgeproxy.{module}" if source.suffix == ".pyx" else module,
        [source.as_posix()],
        depends=DEPENDS,
        include_dirs=["_core"],
        define_macros=TRACE_MACROS if TRACE else [],
        extra_compile_args=["-O2", "-fno-math-errno", "-fno-plt"],  # a stub a function costs a line of the cache
    )


if not SOURCES:
    raise SystemExit("no Cython sources in _core/")

Options.warning_errors = True
link_headers()


def compiled(sources: list[Path], directives: dict[str, bool]) -> list[Extension]:
    return cythonize(
        [extension(source) for source in sources],
        include_path=[str(HEADERS)],
        # Coverage wants the C beside the .pyx. Two homes also keep the two kinds of C apart.
        build_dir=None if TRACE else "build/cython",
        annotate=ANNOTATE,
        force=TRACE or ANNOTATE,
        compiler_directives=DIRECTIVES | directives,
    )


setup(
    ext_modules=compiled(SOURCES, OF_THE_CORE) + compiled(TYPED, AS_PYTHON),
    options={"build_ext": {"parallel": os.cpu_count()}},
)

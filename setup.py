"""Build the core: `_core/*.pyx` become the extension modules `edgeproxy._core.*`.

CORE_TRACE=1     trace lines, so that coverage can see the .pyx files
CORE_ANNOTATE=1  write HTML reports to build/cython/: the yellower a line, the more Python it costs
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

SOURCES = sorted(Path("_core").glob("*.pyx"))
HEADERS = Path("build/include")
DEPENDS = [path.as_posix() for path in sorted(Path("_core").glob("*.p[xy][xd]"))]  # also ships them in the sdist
DEPENDS += [path.as_posix() for path in sorted(Path("_core").glob("*.h"))]
TRACE = bool(os.environ.get("CORE_TRACE"))
ANNOTATE = bool(os.environ.get("CORE_ANNOTATE"))

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": TRACE,
    "wraparound": False,
    "initializedcheck": TRACE,
    "cdivision": True,
    "auto_pickle": False,
    "autotestdict": False,
    "freethreading_compatible": True,
    "linetrace": TRACE,
}
TRACE_MACROS = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]


def link_headers() -> None:
    """Let `_core/` answer to the package path by which Cython looks up .pxd files."""
    link = HEADERS / "edgeproxy" / "_core"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path("_core").resolve(), target_is_directory=True)


def extension(source: Path) -> Extension:
    return Extension(
        f"edgeproxy._core.{source.stem}",
        [source.as_posix()],
        depends=DEPENDS,
        include_dirs=["_core"],
        define_macros=TRACE_MACROS if TRACE else [],
        extra_compile_args=["-O2", "-fno-math-errno"],
    )


if not SOURCES:
    raise SystemExit("no Cython sources in _core/")

Options.warning_errors = True
link_headers()
setup(
    ext_modules=cythonize(
        [extension(source) for source in SOURCES],
        include_path=[str(HEADERS)],
        # Coverage wants the C beside the .pyx. Two homes also keep the two kinds of C apart.
        build_dir=None if TRACE else "build/cython",
        annotate=ANNOTATE,
        force=TRACE or ANNOTATE,
        compiler_directives=DIRECTIVES,
    ),
    options={"build_ext": {"parallel": os.cpu_count()}},
)

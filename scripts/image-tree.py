"""Makes the root of the image: an interpreter, what `composectl proxy` imports, the libraries of both, nothing else.

Usage: image-tree.py SOURCE ROOT, by the Python that is to be in the image.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LIBRARIES = "usr/lib"  # where the loader looks for all of them, whatever machine it is
LOADED_LATER = ("libgcc_s.so.1",)  # by libc, when a thread is ended
MODULES = f"usr/lib/{VERSION}"
BINARIES = f"{MODULES}/lib-dynload"
ZIPPED = f"usr/lib/{VERSION.replace('.', '')}.zip"
COMMAND = f"""\
#!/usr/bin/{VERSION} -IS
import signal
import sys

# The first process of a container gets no signal that it does not ask for: so does this one from its first moment.
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

import sitecustomize

from composectl.__main__ import main

main()
"""
SITECUSTOMIZE = f"""\
import sys
from importlib.util import spec_from_file_location
from os.path import exists


class Binaries:
    # All else is in one zip file, from which no binary can be loaded: each has its full name in this folder.
    @staticmethod
    def find_spec(name, path=None, target=None):
        binary = f"/{BINARIES}/{{name}}.so"
        return spec_from_file_location(name, binary) if exists(binary) else None


sys.meta_path.append(Binaries)
"""

# Of the standard library: what only development needs, what nothing here imports, and what would need libraries that
# are not there.
NOT_NEEDED = (
    *("__phello__", "_pyio.py", "_pyrepl", "aifc.py", "asynchat.py", "asyncore.py", "asyncio/windows_*", "cProfile.py"),
    *("cgi*.py", "chunk.py", "compileall.py", "config-3*", "crypt.py", "ctypes", "curses", "dbm", "distutils"),
    *("dist-packages", "doctest.py", "ensurepip", "filecmp.py", "fileinput.py", "idlelib", "imaplib.py", "imghdr.py"),
    *("lib2to3", "lib-dynload", "mail*.py", "modulefinder.py", "multiprocessing", "nntplib.py", "optparse.py"),
    *("pdb.py", "pickletools.py", "plistlib.py", "poplib.py", "profile.py", "pstats.py", "pyclbr.py", "pydoc.py"),
    *("pydoc_data", "site-packages", "smtp*.py", "sndhdr.py", "sqlite3", "sunau.py", "symtable.py", "_sysconfigdata*"),
    *("tabnanny.py", "telnetlib.py", "test", "this.py", "tkinter", "tomllib", "trace.py", "turtle.py", "turtledemo"),
    *("unittest", "venv", "wave.py", "xdrlib.py", "xml", "xmlrpc", "zipapp.py", "zoneinfo"),
)
# Neither HTTP nor JSON uses those.
NOT_NEEDED_ENCODINGS = re.compile(
    r"big5|bz2|cp(?!437|1252)|euc|gb|hp_|hz|iso2022|iso8859_(?!1\.|15)|johab|koi8|kz|mac_|mbcs|oem|palmos|ptcp|shift|tis"
)
# For `_decimal` and `_pickle` there is a twin in Python, which is much smaller.
NOT_NEEDED_BINARY = re.compile(
    r"_(bz2|codecs_\w+|crypt|ctypes\w*|curses\w*|dbm|decimal|elementtree|gdbm|interp\w*|lsprof|lzma|multi\w+|pickle"
    r"|posixshmem|remote_debugging|sqlite3|test\w*|tkinter|uuid|xx\w+|zoneinfo|zstd)\."
    r"|(audioop|cmath|nis|ossaudiodev|pyexpat|readline|spwd|xx\w+)\."
)
# Of the installed packages: rich needs pygments for source code and Markdown alone, cryptography only the binary of
# cffi. Other binaries have a twin in Python, which will do away from the hot path. That of frozenlist would need
# libstdc++.
NOT_USED = (
    *("pygments*", "markdown_it*", "mdurl*", "yaml/_yaml.*", "_yaml", "cffi", "pycparser", "*/tests", "*/*/tests"),
    *("aiohttp/**/*.so", "charset_normalizer/*.so", "frozenlist/*.so", "multidict/*.so", "propcache/*.so", "yarl/*.so"),
    *("docker/transport/npipe*", "uvloop/_testbase.py", "aiohttp/test_utils.py", "aiohttp/worker.py"),
    *("click/testing.py", "urllib3/contrib/emscripten", "composectl-*.data", "*.dist-info/sboms", "*/pytest_plugin.py"),
    *(
        "rich/markdown.py",
        "rich/progress*.py",
        "rich/layout.py",
        "rich/prompt.py",
        "rich/syntax.py",
        "rich/traceback.py",
    ),
    *("prometheus_client/django", "prometheus_client/twisted", "prometheus_client/bridge", "acme/standalone.py"),
    *(
        "prometheus_client/openmetrics/parser.py",
        "prometheus_client/parser.py",
        "charset_normalizer/cli",
        "dotenv/cli.py",
    ),
    *("rich/__main__.py", "platformdirs/testing.py", "yaml/cyaml.py"),
)
NOT_RUN = (
    *("*.py", "*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "*.hash", "py.typed", "RECORD", "WHEEL", "INSTALLER"),
    *("METADATA", "entry_points.txt", "top_level.txt"),
)
# OpenSSL reads its certificates, and knows no zip file.
NOT_ZIPPED = "certifi"


def main(source: Path, root: Path) -> None:
    require_tools()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        unpack_standard_library(tree)
        install(wheels(source), tree)
        add_interpreter(root)
        move_binaries(tree, root / BINARIES)
        # By this one Python finds out where it is installed.
        copy(tree / "os.pyc", root / MODULES / "os.pyc")
        shutil.move(tree / NOT_ZIPPED, root / MODULES / NOT_ZIPPED)
        pack(tree, root / ZIPPED)
    strip(binaries(root))
    add_libraries(root)
    add_command(root)


def require_tools() -> None:
    missing = [tool for tool in ("gcc", "strip") if not shutil.which(tool)]
    if missing and shutil.which("apt-get"):
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "install", "--no-install-recommends", "binutils", "gcc", "libc6-dev")


def wheels(source: Path) -> Path:
    """The folder with the wheels of all that is to be installed, made where none is handed over."""
    if given := os.environ.get("WHEELS"):
        return source / given
    made, pip = Path(tempfile.mkdtemp()), (sys.executable, "-m", "pip")
    hashed = ("--require-hashes", "--requirement")
    run(*pip, "install", *hashed, str(source / "requirements/build.txt"))
    run(*pip, "wheel", "--wheel-dir", str(made), *hashed, str(source / "requirements/runtime.txt"))
    if loads_packed_relocations(*platform.libc_ver()):
        os.environ["LDFLAGS"] = "-Wl,-z,pack-relative-relocs"  # a third of a megabyte less
    run(*pip, "wheel", "--wheel-dir", str(made), "--no-deps", "--no-build-isolation", str(source))
    return made


def loads_packed_relocations(library: str, version: str) -> bool:
    return library == "glibc" and [int(part) for part in version.split(".")] >= [2, 36]


def unpack_standard_library(tree: Path) -> None:
    standard = Path(sysconfig.get_path("stdlib"))
    not_needed = {path for pattern in NOT_NEEDED for path in standard.glob(pattern)}
    shutil.copytree(
        standard,
        tree,
        ignore=lambda folder, names: {
            name for name in names if name == "__pycache__" or Path(folder, name) in not_needed
        },
        dirs_exist_ok=True,
    )
    remove(path for path in (tree / "encodings").iterdir() if NOT_NEEDED_ENCODINGS.match(path.name))


def install(folder: Path, tree: Path) -> None:
    ours = set(folder.glob("composectl-*.whl"))
    unpack(set(folder.glob("*.whl")) - ours, tree)
    compile_all(tree, "-OO")
    # The docstrings of its commands are their help.
    unpack(ours, tree)
    (tree / "sitecustomize.py").write_text(SITECUSTOMIZE)
    compile_all(tree)


def unpack(wheels: Iterable[Path], tree: Path) -> None:
    for wheel in wheels:
        with ZipFile(wheel) as packed:
            packed.extractall(tree)
    remove(path for pattern in NOT_USED for path in tree.glob(pattern))


def compile_all(folder: Path, *options: str) -> None:
    """Each module as its bytecode alone; none where there is a compiled one."""
    remove(path for path in folder.rglob("*.py") if any(path.parent.glob(f"{path.stem}.*.so")))
    # Without the columns that a traceback would underline, which are a quarter of it
    python = (sys.executable, *options, "-X", "no_debug_ranges")
    run(*python, "-m", "compileall", "-q", "-b", "-j0", "-s", str(folder), str(folder))
    remove(path for pattern in NOT_RUN for path in folder.rglob(pattern))


def add_interpreter(root: Path) -> None:
    copy(Path(sys.executable).resolve(), root / "usr/bin" / VERSION)
    for binary in Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so"):
        if not NOT_NEEDED_BINARY.match(binary.name):
            copy(binary, root / BINARIES / binary.name)


def move_binaries(tree: Path, folder: Path) -> None:
    """Those of the packages to where `SITECUSTOMIZE` finds them."""
    for binary in list(tree.rglob("*.so")):
        package = binary.parent.relative_to(tree)
        shutil.move(binary, folder / ".".join((*package.parts, f"{binary.name.partition('.')[0]}.so")))


def pack(tree: Path, zipped: Path) -> None:
    with ZipFile(zipped, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(tree))


def strip(paths: Iterable[Path]) -> None:
    for path in paths:
        run("strip", "--strip-all", str(path))


def add_libraries(root: Path) -> None:
    """The loader, where the interpreter names it, and all that is loaded by whatever is there."""
    loader = next(path for pattern in ("lib64/ld-*.so.*", "lib/ld-*.so.*") for path in Path("/").glob(pattern))
    copy(loader, root / loader.relative_to("/"))
    needed = {library.name: library for binary in binaries(root) for library in libraries_of(loader, binary)}
    for name in LOADED_LATER:
        needed[name] = needed["libc.so.6"].with_name(name)
    for name, library in needed.items():
        copy(library, root / LIBRARIES / name)
        strip([root / LIBRARIES / name])


def libraries_of(loader: Path, binary: Path) -> Iterator[Path]:
    listed = subprocess.run([loader, "--list", binary], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        if "=> not found" in line:
            sys.exit(f"error: {binary} needs {line.strip()}")
        if found := re.search(r"=> (/\S+)", line):
            yield Path(found[1])


def add_command(root: Path) -> None:
    command = root / "usr/bin/composectl"
    command.write_text(COMMAND)
    command.chmod(0o755)


def binaries(root: Path) -> Iterator[Path]:
    yield from (root / "usr/bin").glob("python*")
    yield from (root / BINARIES).glob("*.so")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

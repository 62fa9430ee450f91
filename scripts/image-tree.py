"""Makes the root of the image: an interpreter, what `composectl proxy` imports, the libraries of both, nothing else.

Usage: image-tree.py SOURCE ROOT, by the Python that is to be in the image.
"""

from __future__ import annotations

import compileall
import os
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
COMMAND = f"""\
#!/usr/bin/{VERSION} -IS
import signal
import sys

# The first process of a container gets no signal that it does not ask for: so does this one from its first moment.
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

from composectl.__main__ import main

main()
"""

# Of the standard library: what only development needs, and what would need libraries that are not there.
NOT_NEEDED = {
    *("__phello__", "_pydecimal.py", "_pyrepl", "ctypes", "curses", "dbm", "distutils", "doctest.py"),
    *("ensurepip", "idlelib", "lib2to3", "lib-dynload", "multiprocessing", "pdb.py", "pydoc.py", "pydoc_data"),
    *("site-packages", "dist-packages", "sqlite3", "test", "this.py", "tkinter", "turtle.py", "turtledemo", "unittest"),
    *("venv", "wsgiref", "xmlrpc", "__pycache__"),
}
NOT_NEEDED_BINARY = re.compile(
    r"_(bz2|codecs_\w+|crypt|ctypes\w*|curses\w*|dbm|gdbm|interp\w*|lsprof|lzma|multiprocessing|posixshmem|remote_debugging"
    r"|sqlite3|test\w*|tkinter|uuid|xx\w+|zstd)\.|(audioop|nis|ossaudiodev|readline|spwd|xx\w+)\."
)
# Of the installed packages: rich needs pygments for source code and Markdown alone. The binaries have a twin in Python,
# which will do away from the hot path. That of frozenlist would need libstdc++.
NOT_USED = (
    *("pygments*", "markdown_it*", "mdurl*", "yaml/_yaml.*", "_yaml", "charset_normalizer/*.so", "frozenlist/*.so"),
    *("multidict/_testcapi.*", "docker/transport/npipe*"),
)
NOT_RUN = ("*.py", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "py.typed", "RECORD", "WHEEL", "INSTALLER")


def main(source: Path, root: Path) -> None:
    require_tools()
    install(wheels(source), root / MODULES)
    add_interpreter(root)
    add_standard_library(root)
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
    run(*pip, "wheel", "--wheel-dir", str(made), "--no-deps", "--no-build-isolation", str(source))
    return made


def install(folder: Path, target: Path) -> None:
    for wheel in sorted(folder.glob("*.whl")):
        with ZipFile(wheel) as packed:
            packed.extractall(target)
    remove(path for pattern in NOT_USED for path in target.glob(pattern))
    compile_all(target)
    remove(path for pattern in NOT_RUN for path in target.rglob(pattern))


def compile_all(folder: Path) -> None:
    """Each module as its bytecode alone; none where there is a compiled one, which Python prefers."""
    remove(path for path in folder.rglob("*.py") if any(path.parent.glob(f"{path.stem}.*.so")))
    if not compileall.compile_dir(folder, quiet=1, legacy=True, stripdir=str(folder), workers=0):
        sys.exit("error: not everything could be compiled")


def add_interpreter(root: Path) -> None:
    copy(Path(sys.executable).resolve(), root / "usr/bin" / VERSION)
    for binary in Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so"):
        if not NOT_NEEDED_BINARY.match(binary.name):
            copy(binary, root / MODULES / "lib-dynload" / binary.name)


def add_standard_library(root: Path) -> None:
    standard = Path(sysconfig.get_path("stdlib"))
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for path in standard.iterdir():
            if path.name not in NOT_NEEDED and not path.name.startswith(("config-3", "_sysconfigdata")):
                (shutil.copytree if path.is_dir() else shutil.copy)(path, tree / path.name)
        remove(tree.rglob("__pycache__"))
        compile_all(tree)
        zipped = root / "usr/lib" / f"{VERSION.replace('.', '')}.zip"
        with ZipFile(zipped, "w", ZIP_DEFLATED) as archive:
            for path in sorted(tree.rglob("*.pyc")):
                archive.write(path, path.relative_to(tree))
        # By this one Python finds out where it is installed.
        copy(tree / "os.pyc", root / MODULES / "os.pyc")


def strip(paths: Iterable[Path]) -> None:
    for path in paths:
        run("strip", "--strip-unneeded", str(path))


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
    yield from (root / MODULES).rglob("*.so")


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

"""Builds the compiled loops of netprobe where there is a C compiler; without one the package is pure Python and slower."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ("captures/native.c", "analyzers/attempts/join.c")
LIBRARY = "captures/_native.so"
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden")


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the library beside its source in an editable install, and into a wheel of this platform otherwise."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        target = root / LIBRARY
        if version != "editable":
            self.folder = tempfile.TemporaryDirectory()
            target = Path(self.folder.name) / Path(LIBRARY).name
        if not built(root, target):
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if version != "editable":
            build_data["force_include"][str(target)] = LIBRARY

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()


def built(root: Path, target: Path) -> bool:
    """Whether the library could be compiled and put there."""
    target.unlink(missing_ok=True)  # an older one would be used instead
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if not sys.platform.startswith("linux") or not compiler or shutil.which(compiler[0]) is None:
        return False
    command = [*compiler, *FLAGS, "-o", str(target), *(str(root / source) for source in SOURCES)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):  # a compiler without its headers, a folder that is not ours
        target.unlink(missing_ok=True)
        return False
    return True

"""Makes torchvision's CUDA wheel importable beside a CPU build of torch, for every program of an environment.

    .venv/bin/python .ci/torchvision_cpu.py           # cure this environment if its two wheels don't match
    .venv/bin/python .ci/torchvision_cpu.py --check   # exit status 0 if they don't match, 1 if nothing need be done

torchvision's default Linux wheels are CUDA builds. Beside CPU torch their compiled operators can't load, and
torchvision then fails while it registers shapes for `torchvision::nms`, which doesn't exist; with it fail
transformers' video processors, `evaluate` and everything else that imports torchvision. Declaring the operators'
schemas beforehand is enough: the transforms that video processors use are plain torch.

The cure is this file, copied into site-packages, and a `.pth` file beside it that imports it whenever Python starts.
It must cost next to nothing there: only `sys` is imported at the top, and torch not before torchvision's code runs.
"""

import sys

NAME = "_torchvision_beside_cpu_torch"
OPERATORS = ("nms", "qnms")
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class DeclareOperators:
    """A finder of modules: finds torchvision as Python would, and declares the operators just before its code runs.

    Not while it is looked for: Python holds the lock of all imports then, and importing torch under it deadlocks with
    a thread that is importing torch itself.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None and is_cuda_build(spec.origin):
            run = spec.loader.exec_module

            def declare_and_run(module):
                declare()
                run(module)

            spec.loader.exec_module = declare_and_run
        return spec


def is_cuda_build(init_file):
    """Whether torchvision, whose `__init__.py` is given, was built for CUDA; read from its version, not imported."""
    import re
    from pathlib import Path

    version_file = Path(init_file).with_name("version.py")
    return version_file.is_file() and re.search(r"__version__ = '[^']*\+cu\d", version_file.read_text()) is not None


def declare():
    """Declare torchvision's operators to torch, unless torch is a CUDA or ROCm build, where they load."""
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None:
        return
    for operator in OPERATORS:
        try:
            torch.library.define(f"torchvision::{operator}", SCHEMA)
        except RuntimeError as error:  # somebody declared it before us
            if "already" not in str(error) and "duplicate" not in str(error).lower():
                raise


def mismatched():
    """Whether this environment has torchvision as a CUDA build beside a torch that is neither CUDA nor ROCm."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("torchvision")
    if spec is None or spec.origin is None or not is_cuda_build(spec.origin):
        return False
    import torch

    return torch.version.cuda is None and torch.version.hip is None


def cure():
    """Write the two files into this environment if it needs them, else remove them; say what was done."""
    import os
    import sysconfig
    from pathlib import Path

    site_packages = Path(sysconfig.get_path("purelib"))
    module, line = (site_packages / f"{NAME}{suffix}" for suffix in (".py", ".pth"))
    if not mismatched():
        line.unlink(missing_ok=True)
        module.unlink(missing_ok=True)
        return "torch and torchvision match: nothing to do"
    # The module first: a .pth line whose module is missing makes every start of Python complain.
    for file, text in ((module, Path(__file__).read_text()), (line, f"import {NAME}\n")):
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        temporary.write_text(text)
        os.replace(temporary, file)
    return f"torchvision's CUDA build is made importable beside CPU torch: {line}"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if mismatched() else 1)
    print(cure())
elif __name__ == NAME:  # imported by the .pth file
    sys.meta_path.insert(0, DeclareOperators())

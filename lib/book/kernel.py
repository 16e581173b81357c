"""The kernel that chapters run in, the same whoever starts it and from whatever shell.

It is this environment's Python and no kernel that lies elsewhere under the same name. Its settings are stated here:
of the caller's own only those are passed on that say where things are (caches, network, processor), never those
that change what a chapter shows, such as a plot backend or a start-up file of IPython. Nothing is written to a
home folder, which may be read-only."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lib.book.request import REPOSITORY

SCRATCH = REPOSITORY / "runs" / ".kernel"
PASSED_ON = {
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "CC", "CXX",
    "GIT_CONFIG_GLOBAL", "ATEN_CPU_CAPABILITY", "TORCHINDUCTOR_CACHE_DIR", "TRANSFORMERS_OFFLINE", "SSL_CERT_FILE",
    "TRUST_PICKLE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}  # fmt: skip
FAMILIES = ("HF_", "HUGGING", "CUDA_", "NVIDIA_")
STATED = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "LC_ALL": "C.UTF-8",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
}
FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "MPLCONFIGDIR": "matplotlib",
}


def kernel_environment(threads: int = 1, *, caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """All environment variables of a chapter's kernel on `threads` processor threads, made from the `caller`'s.

    The folders that they name are made."""
    caller = os.environ if caller is None else caller
    kept = {name: value for name, value in caller.items() if _is_passed_on(name)}
    folders = {name: str(SCRATCH / folder) for name, folder in FOLDERS.items()}
    for folder in folders.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}
    return kept | STATED | folders | counts | {"PYTHONPATH": str(REPOSITORY)}


def _is_passed_on(name: str) -> bool:
    return name.upper() in PASSED_ON or name.startswith(FAMILIES)


def manager(said: Path) -> type[Any]:
    """The class of kernel managers that start this environment's Python, whatever kernels lie around.

    What a kernel says beside its cells goes to the file `said`; when it ended, `status` is its exit status."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OfThisEnvironment(AsyncKernelManager):
        """Starts ipykernel in this environment's Python."""

        status: ClassVar[int | None] = None

        @property
        def kernel_spec(self) -> KernelSpec:
            """This environment's Python, not what a search for the kernel's name finds."""
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def _async_launch_kernel(self, kernel_cmd: list[str], **given: Any) -> None:
            with said.open("w") as stream:
                await super()._async_launch_kernel(kernel_cmd, **given | {"stdout": stream, "stderr": stream})

        async def _async_is_alive(self) -> bool:
            alive = await super()._async_is_alive()
            if not alive and self.provisioner is not None:
                type(self).status = await self.provisioner.poll()
            return alive

        is_alive = _async_is_alive

    return OfThisEnvironment

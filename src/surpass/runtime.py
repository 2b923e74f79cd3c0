"""How a study runs: speed, place and noise. Nothing here can change a number, so nothing here is hashed."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal

from surpass.errors import SpecError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """Settings of a run that only change speed, place or noise.

    Attributes:
        jobs: worker processes; 0 runs every stage in this process. With Ray at most so many slots; 0: as many as there are.
        device: "auto", "cpu", "cuda" or "cuda:1"; "map" is "auto", but spreads frozen models over devices, memory, disk.
        threads: math threads of each worker; batches of a pretrained model that run side by side in it.
        tokens_per_batch: tokens, padding included, that a forward pass takes at once.
        keep_weights: keep the fitted model beside its predictions.
        timeout: seconds that a stage may take, start of its worker and loading of its model included; then it is stopped and
            tried once more. None: any. Needs worker processes, or Ray.
        executor: who computes: "local", this machine by `jobs`; "ray", a Ray cluster.
        address: of the Ray cluster: "auto", HOST:PORT or ray://HOST:PORT; empty: RAY_ADDRESS, else one is started here.
        scratch: folder for what only this stage writes and reads while it is computed, such as checkpoints; none: nowhere.
        checkpoint_seconds: seconds of training between two checkpoints, or more where they take long to write.
        checkpoint_activations: keep the inputs of layers alone while training, and run the layers again for the gradient.
        team: what the processes of a launch hold that compute a fit together: "copies" of its weights, or "shards" of them;
            empty: this process is alone.
        memo: loaded backbones and cached hidden states of this process, handed from stage to stage; never pickled.
    """

    jobs: int = 0
    device: str = "auto"
    threads: int = 1
    tokens_per_batch: int = 4096
    keep_weights: bool = False
    timeout: float | None = None
    executor: str = "local"
    address: str = ""
    scratch: Path | None = None
    checkpoint_seconds: float = 60.0
    checkpoint_activations: bool = False
    team: Literal["", "copies", "shards"] = ""
    memo: dict[Any, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.jobs < 0 or self.threads < 1 or self.executor not in ("local", "ray"):
            raise SpecError(
                f"jobs={self.jobs}, threads={self.threads}, executor='{self.executor}': jobs is at least 0, threads at least "
                "1, and executor 'local' or 'ray'. Mend the one that is not."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "memo": {}}

    def torch_device(self) -> str:
        """Return the device as torch names it; SpecError when torch sees no such GPU."""
        if self.device == "cpu":
            return self.device
        import torch

        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.device in ("auto", "map"):
            return "cuda" if seen else "cpu"
        if int(self.device.partition(":")[2] or 0) >= seen:
            raise SpecError(f"device '{self.device}': PyTorch sees {seen} GPUs here. Use cpu, or auto.")
        return self.device


def cache_root() -> Path:
    """Return the cache folder: `SURPASS_CACHE` when set, otherwise the user's cache folder."""
    chosen = os.environ.get("SURPASS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("surpass", appauthor=False)


def ray_address() -> str:
    """Return the address of a Ray cluster that `RAY_ADDRESS` gives; empty: none is given."""
    return os.environ.get("RAY_ADDRESS", "")


def engine_path() -> str:
    """Return the path or name of the chess engine that `SURPASS_STOCKFISH` gives; empty: none is given."""
    return os.environ.get("SURPASS_STOCKFISH", "")


@dataclasses.dataclass(frozen=True)
class Launch:
    """What `accelerate launch` or `torchrun` says of this process: its number among `count`, and that on its own machine.

    `sharded` says whether weights are spread over the processes, which accelerate asks for by `--use_fsdp`.
    """

    rank: int
    count: int
    local: int
    sharded: bool

    def hide(self) -> None:
        """Leave this process its own device, and take away what would let a library join the processes again.

        It has to come before the first question to a GPU, after which nothing reads the variable any more.
        """
        seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        os.environ["CUDA_VISIBLE_DEVICES"] = seen[self.local] if self.local < len(seen) else str(self.local)
        own = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        for name in [name for name in os.environ if name in own or name.startswith(("ACCELERATE_", "FSDP_"))]:
            del os.environ[name]


def launched() -> Launch | None:
    """Return how this process was launched together with others; None when it is alone."""
    if "RANK" not in os.environ:
        return None
    told = {
        name: os.environ.get(name, start) for name, start in (("WORLD_SIZE", "1"), ("RANK", ""), ("LOCAL_RANK", "0"))
    }
    if wrong := [f"{name}='{text}'" for name, text in told.items() if not text.isdecimal()]:
        raise SpecError(
            f"{' and '.join(wrong)} in the environment, where `accelerate launch` and `torchrun` set numbers. Unset RANK and "
            "WORLD_SIZE for a run of one process."
        )
    count, rank, local = map(int, told.values())
    sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
    return None if count == 1 else Launch(rank, count, local, sharded)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_cores() -> int:
    """Return how many cores nothing else keeps busy, by the load of the last minute; at least 1.

    A math thread that waits for its core holds up all others: two threads beside one busy process were several times slower
    than one.
    """
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, cores() - round(busy))

"""Fetches weights in a process of its own: torch and the hub client never load into the server.

    python -m serving.engines.fetch gguf FILE FOLDER
    python -m serving.engines.fetch hub ID

Writes one `weights.Report` a line to standard output.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from serving.engines.weights import MANIFEST, Manifest, Report, fingerprint, is_complete

_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*"]
_UNWANTED = ["original/*", "consolidated*"]  # the same weights again, in their maker's form


def main(arguments: list[str]) -> None:
    """Do what the two usage lines say."""
    _keep_stdout_for_reports()
    match arguments:
        case ["gguf", file, folder]:
            report(unpack(Path(file), Path(folder)))
        case ["hub", repository]:
            report(download(repository))
        case _:
            sys.exit(__doc__)


def report(what: Report) -> None:
    """Write one line for whoever started us."""
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def _keep_stdout_for_reports() -> None:
    """Whatever a library prints goes where complaints go."""
    reports = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = os.fdopen(reports, "w")


def unpack(file: Path, folder: Path) -> Report:
    """Turn a GGUF file into a bfloat16 folder; two starts at once do it once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not is_complete(folder, file):
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
                made = Path(making, folder.name)
                convert(file, made)
                sizes = {path.name: path.stat().st_size for path in made.iterdir()}
                manifest = Manifest(source=fingerprint(file), sizes=sizes)
                (made / MANIFEST).write_bytes(msgspec.json.encode(manifest))
                made.rename(folder)
    return Report(kind="done", text=str(folder))


def convert(file: Path, folder: Path) -> None:
    """Read a GGUF file with transformers and save model and tokenizer as vLLM wants them."""
    say = f"unpacking {file.stem}, once"
    report(Report(kind="progress", text=say, fraction=0.0))
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")
    report(Report(kind="progress", text=say, fraction=0.2))
    read = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.bfloat16
    )
    report(Report(kind="progress", text=say, fraction=0.75))
    config = read.config
    # A model that was read from GGUF counts as quantised and refuses to be saved: its unpacked
    # weights go into a fresh model without that mark.
    del config.quantization_config
    plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(read.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    tokenizer.save_pretrained(folder)
    # So small a model is only coherent at temperature 0: the default where a request says nothing.
    defaults = {"eos_token_id": config.eos_token_id, "temperature": 0.0}
    (folder / "generation_config.json").write_bytes(msgspec.json.encode(defaults))


def download(repository: str) -> Report:
    """Bring a model from the hub into its own cache, or find it there."""
    hub: Any = import_module("huggingface_hub")
    errors: Any = import_module("huggingface_hub.errors")
    tqdm: Any = import_module("tqdm").tqdm

    class Bar(tqdm):
        """Reports instead of drawing; the hub client sums all files up in bars of bytes."""

        def display(self, *_: object, **__: object) -> None:
            if self.unit == "B" and self.n and self.total:
                fraction = min(1.0, self.n / self.total)
                report(Report(kind="progress", text=f"downloading {repository}", fraction=fraction))

    try:
        folder = hub.snapshot_download(
            repository,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
            tqdm_class=Bar,
        )
    except errors.GatedRepoError:
        return _refused(repository, "its owner wants its terms accepted and HF_TOKEN set")
    except errors.RepositoryNotFoundError:
        return _refused(repository, "the hub has no such model, or not for HF_TOKEN")
    except errors.LocalEntryNotFoundError:
        return _refused(
            repository,
            f"{hub.constants.ENDPOINT} cannot be reached and the local cache does not hold it whole",
        )
    return Report(kind="done", text=folder)


def _refused(repository: str, why: str) -> Report:
    return Report(
        kind="refused",
        text=f"{repository} cannot be downloaded: {why}. Ways out: give a folder that has the "
        "weights as [fast] model; set HF_ENDPOINT to a mirror; or try [fast] model = "
        '"demo", which needs no download.',
    )


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the lock beside `folder`; the kernel lets go of it however we end."""
    descriptor = os.open(folder.with_name(f".{folder.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for leftover in folder.parent.glob(".making-*"):  # of a conversion that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1:])

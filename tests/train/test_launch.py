"""How training is started on several GPUs and machines: accelerate reads our files, Slurm starts what they say.

No GPU is needed: the launchers are run up to the point where they would start processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import transformers

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PROCESSES = {"cpu": 1, "one_gpu": 1, "ddp": 8, "fsdp2": 8, "deepspeed_zero3": 8, "two_nodes": 16}


@pytest.mark.parametrize("path", sorted((RECIPES / "accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_the_file(path: Path) -> None:
    """An unknown key is an error in accelerate; the GPUs of the file are those its name and comment say."""
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes == PROCESSES[path.stem]
    assert config.num_machines == (2 if path.stem == "two_nodes" else 1)
    assert (config.mixed_precision == "bf16") == (path.stem != "cpu")


@pytest.mark.parametrize("name", ["fsdp2", "two_nodes"])
def test_what_fsdp_wraps_exists(name: str) -> None:
    """A class that the model lacks would leave it in one piece, and no memory would be saved."""
    from accelerate.commands.config.config_args import load_config_from_file
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as modeling

    fsdp = load_config_from_file(str(RECIPES / "accelerate" / f"{name}.yaml")).fsdp_config
    assert fsdp["fsdp_version"] == 2
    for kind in fsdp["fsdp_transformer_layer_cls_to_wrap"].split(","):
        assert issubclass(getattr(modeling, kind), transformers.modeling_layers.GradientCheckpointingLayer)


def test_slurm_starts_one_launcher_a_node_with_the_recipe_and_the_flags(tmp_path: Path) -> None:
    """The batch file is run by bash with stand-ins for Slurm and accelerate, which write down what they are given."""
    stand_ins = {
        "scontrol": 'echo "gpu01"; echo "gpu02"',
        "srun": 'shift; for n in 0 1; do SLURM_NODEID=$n "$@"; done',
        "accelerate": "\n".join(
            [
                "python3 - \"$@\" <<'PY'",
                "import json, os, sys",
                "with open(os.environ['SEEN'], 'a') as file: file.write(json.dumps(sys.argv[1:]) + '\\n')",
                "PY",
            ]
        ),
    }
    for name, text in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "gpu[01-02]", "SLURM_JOB_ID": "123456", "SLURM_NNODES": "2"}
    seen = tmp_path / "seen"
    command = ["bash", "recipes/accelerate/slurm.sbatch", "recipes/train/ocr_grpo_3b_full_8gpu.yaml"]
    subprocess.run(
        [*command, "--output_dir", "with a space"],
        cwd=RECIPES.parent,
        env=os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SEEN": str(seen)},
        check=True,
    )
    calls = [json.loads(line) for line in seen.read_text().splitlines()]
    assert len(calls) == 2
    for node, words in enumerate(calls):
        given = _launch_arguments(words[1:])
        assert words[0] == "launch" and Path(given.config_file).name == "two_nodes.yaml"
        assert (given.num_machines, given.num_processes, given.machine_rank) == (2, 16, node)
        assert given.main_process_ip == "gpu01" and given.main_process_port == 20000 + 123456 % 20000
        assert given.module and given.training_script == "ocr_hf.train.grpo"
        recipe = ["--config", "recipes/train/ocr_grpo_3b_full_8gpu.yaml"]
        assert given.training_script_args == ["--output_dir", "with a space", *recipe]


def _launch_arguments(words: list[str]) -> SimpleNamespace:
    from accelerate.commands.launch import launch_command_parser

    return launch_command_parser().parse_args(words)


@pytest.mark.parametrize("name", ["ddp", "two_nodes"])
def test_a_port_in_use(name: str) -> None:
    """On one machine another port is taken, and said; two must agree on one, and the first stops with a sentence."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils.launch import prepare_multi_gpu_env

    config = load_config_from_file(str(RECIPES / "accelerate" / f"{name}.yaml"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        flags = {"main_process_port": port, "main_process_ip": "127.0.0.1", "machine_rank": 0, "dynamo_backend": "no"}
        flags |= {name: getattr(config, name) for name in ("num_machines", "num_processes", "mixed_precision")}
        words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
        given = _launch_arguments([*words, "train.py"])
        if config.num_machines == 1:
            with pytest.warns(UserWarning, match=f"Port `{port}` is already in use.*finding an open port"):
                prepare_multi_gpu_env(given)
            assert given.standalone
        else:
            with pytest.raises(ConnectionError, match=f"port `{port}`, but another process .*--main_process_port"):
                prepare_multi_gpu_env(given)

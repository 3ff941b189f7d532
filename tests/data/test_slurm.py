"""`ocr-hf build --executor slurm`: what is handed to sbatch (a stand-in), and that it builds the same folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from ocr_hf.cli import main
from ocr_hf.data.build_folder import build_folder
from tests.data.conftest import digests, small_config
from tests.data.rooms import write_rooms

pytest.importorskip("datatrove")

SBATCH = r"""#!{python}
# A stand-in for Slurm's: notes what it is given and, where RUN_JOBS is set, runs every task of the array, one by one
import os, re, subprocess, sys
from pathlib import Path

folder = Path(__file__).parent
number = len(list(folder.glob("job_*"))) + 1
script = Path(sys.argv[-1]).read_text()
(folder / f"job_{{number}}").write_text("\n".join([*sys.argv[1:-1], script]))
last = int(re.search(r"--array=0-(\d+)", script)[1])
if "RUN_JOBS" in os.environ and "merge_stats" not in script:
    words = dict(word[2:].partition("=")[::2] for word in sys.argv[1:-1])
    offset = re.search(r"RUN_OFFSET=(\d+)", words.get("export", ""))
    for task in range(last + 1):
        environment = {{**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "RUN_OFFSET": offset[1] if offset else "0",
                       "SLURM_NODELIST": "localhost", "SLURM_JOB_ID": str(number)}}
        with open(folder / f"out_{{number}}_{{task}}", "w") as out:
            subprocess.run(["bash", "-c", script], env=environment, stdout=out, stderr=out)
print(f"Submitted batch job {{number}}")
"""
SRUN = '#!/bin/bash\nwhile [[ "$1" == -* ]]; do [[ "$1" == -n ]] && shift; shift; done\nexec "$@"\n'


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in PATH with stand-ins for sbatch, srun and scontrol; what was handed in is noted there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "sbatch": SBATCH.format(python=sys.executable),
        "srun": SRUN,
        "scontrol": "#!/bin/bash\necho localhost\n",
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    # Jobs inherit it, as on a cluster they find the package in the environment
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    return folder


def test_the_scripts_say_what_was_asked(cluster: Path, tmp_path: Path) -> None:
    from ocr_hf.data.slurm_jobs import submit_to_slurm

    config = small_config()
    options = {"partition": "cpu", "time": "02:00:00", "account": "mine"}
    done = submit_to_slurm(config, tmp_path / "ocr-vsi", workers=2, sbatch=options)
    assert list(done.jobs) == ["clips_1", "clips_2", "folder"] and done.scenes == 3 and not done.failed
    first, second, folder = ((cluster / f"job_{done.jobs[name]}").read_text() for name in done.jobs)
    for line in ("--partition=cpu", "--time=02:00:00", "--account=mine", "--array=0-2%2", "--mem-per-cpu=2G"):
        assert f"#SBATCH {line}\n" in first
    assert "--dependency" not in first.split("#!/bin/bash")[0]
    assert "#SBATCH --array=0-1%2\n" in second and f"--dependency=afterany:{done.jobs['clips_1']}" in second
    assert "#SBATCH --array=0-0%1\n" in folder and f"--dependency=afterany:{done.jobs['clips_2']}" in folder
    assert "OMP_NUM_THREADS=1" in first and "launch_pickled_pipeline" in first
    assert all(script.is_file() for script in done.scripts.values())


def test_what_slurm_needs_is_asked_for(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", "--scenes", "1", "--out", str(tmp_path / "ocr-vsi")]
    for more, told in (
        (["--executor", "slurm", "--sbatch", "partition=cpu"], "needs time; give it with --sbatch time="),
        (["--executor", "slurm", "--sbatch", "cpu"], "sbatch is 'cpu'; give KEY=VALUE"),
        (["--sbatch", "partition=cpu"], "goes with --executor slurm"),
        (["--executor", "slrum"], "slurm"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert ended.value.code == 1 and told in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit):
        main([*words, "--executor", "slurm", "--sbatch", "partition=cpu", "--sbatch", "time=1:00:00"])
    assert "there is no sbatch on this machine" in capsys.readouterr().err
    assert not (tmp_path / "ocr-vsi.incomplete").exists()


REFUSING = r"""#!/bin/bash
count=$(ls "$(dirname "$0")"/job_* 2>/dev/null | wc -l)
if [ "$count" -ge "$ACCEPTED" ]; then echo "sbatch: error: invalid partition specified: cpuu" >&2; exit 1; fi
touch "$(dirname "$0")/job_$((count + 1))"
echo "Submitted batch job $((count + 41))"
"""


# Behind each job goes one that adds up statistics: the third handed in is the second of clips
@pytest.mark.parametrize(
    ("accepted", "refused", "waiting"),
    [
        (0, "clips_1", None),
        (2, "clips_2", ("clips_1 (41)", "scancel 41")),
        (5, "that adds up statistics", ("folder (45)", "scancel 41 43 45")),
    ],
)
def test_a_refused_job_is_told_with_those_that_wait(
    accepted: int,
    refused: str,
    waiting: tuple[str, str] | None,
    cluster: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (cluster / "sbatch").write_text(REFUSING)
    monkeypatch.setenv("ACCEPTED", str(accepted))
    words = ["build", "--scenes", "1", "--frames", "8", "--executor", "slurm", "--out", str(tmp_path / "ocr-vsi")]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--sbatch", "partition=cpuu", "--sbatch", "time=1:00:00"])
    told = capfd.readouterr().err
    assert ended.value.code == 1 and "Traceback" not in told
    assert "invalid partition specified: cpuu" in told
    assert f"refused the job {refused} with status 1" in told and "partition=cpuu, time=1:00:00" in told
    assert ("scancel" in told) == (waiting is not None) and all(each in told for each in waiting or ())


def test_a_full_disk_while_jobs_are_handed_in(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datatrove.executor import SlurmPipelineExecutor

    from ocr_hf.data.slurm_jobs import submit_to_slurm

    launch = SlurmPipelineExecutor.launch_job

    def fails(self: SlurmPipelineExecutor) -> None:
        launch(self)
        if self.job_name.endswith("clips_1"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(SlurmPipelineExecutor, "launch_job", fails)
    with pytest.raises(OSError, match=r"No space left on device.*handed in already: clips_1 \(1\), .*scancel 1`"):
        submit_to_slurm(small_config(), tmp_path / "ocr-vsi", sbatch={"partition": "cpu", "time": "02:00:00"})


def test_a_note_without_words_is_no_obstacle(cluster: Path, tmp_path: Path) -> None:
    """As a full disk left it."""
    from ocr_hf.data.slurm_jobs import submit_to_slurm

    notes = tmp_path / "ocr-vsi.logs/failed_2"
    notes.mkdir(parents=True)
    (notes / "room_1.txt").write_text("\n")
    options = {"partition": "cpu", "time": "02:00:00"}
    done = submit_to_slurm(small_config(), tmp_path / "ocr-vsi", resume=True, sbatch=options)
    assert done.failed == {"room_1": "no reason was stored"} and done.jobs


@pytest.mark.real_scenes
@pytest.mark.slow
def test_the_jobs_build_the_same_folder(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first launch makes nothing, as if it was cancelled; the second makes all; a third has nothing to do."""
    from ocr_hf.data.slurm_jobs import submit_to_slurm

    config, out = write_rooms(tmp_path / "rooms", 2), tmp_path / "ocr-vsi"
    build_folder(config, tmp_path / "plain/ocr-vsi")
    options = {"partition": "cpu", "time": "02:00:00"}
    submit_to_slurm(config, out, workers=1, sbatch=options)
    notes = tmp_path / "ocr-vsi.logs/failed_2"
    notes.mkdir(parents=True)
    (notes / "room_1.txt").write_text("Traceback\nOSError: the disk is slow\n")
    monkeypatch.setenv("RUN_JOBS", "1")
    done = submit_to_slurm(config, out, workers=1, resume=True, sbatch=options)
    assert done.failed == {"room_1": "OSError: the disk is slow"} and done.scenes == 2
    told = "\n".join(path.read_text()[-2000:] for path in sorted(cluster.glob("out_*")))
    assert out.is_dir(), told
    assert digests(out) == digests(tmp_path / "plain/ocr-vsi")
    again = submit_to_slurm(config, out, workers=1, resume=True, sbatch=options)
    assert not again.jobs and json.loads((out / "ocr_vsi.json").read_text())

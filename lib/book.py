"""From chapters to a book: what is left to do around papermill, Snakemake and Jupyter Book.

The Snakefile is the graph; here is what its rules call. `check` refuses a wrong request before a
kernel starts, `execute` runs one chapter and says in one sentence where it failed, `stage` lays out
the executed chapters as Jupyter Book wants them. Imports no torch."""

import argparse
import ast
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from lib import source

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = REPOSITORY / "notebooks"
THREADS = 1
"""Processor threads of a chapter: sums over another number of them end in other digits."""
KERNEL_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def kernel_environment() -> dict[str, str]:
    """Settings that a chapter's text outputs depend on, the same whoever runs it and from whatever shell."""
    threads = {f"{library}_NUM_THREADS": str(THREADS) for library in ("OMP", "MKL", "OPENBLAS")}
    return threads | {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONHASHSEED": "0"}


class BookError(ValueError):
    """A request that cannot be met; its message is one sentence for the reader."""


def chapters() -> list[str]:
    """The chapters of the book, by file name without suffix, in order."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def chapter_named(number: str) -> str:
    """The chapter with a number such as `02`, or with its whole name. Raises BookError when there is none."""
    found = [name for name in chapters() if name == number or name.split("_")[0] == number.zfill(2)]
    if not found:
        raise BookError(f"there is no chapter {number!r}; the chapters are {', '.join(chapters())}")
    return found[0]


def defaults(chapter: str) -> dict[str, Any]:
    """A chapter's parameters and their defaults, read from its cell tagged `parameters`."""
    cells = json.loads((NOTEBOOKS / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    tagged = next(cell for cell in cells if "parameters" in cell["metadata"].get("tags", ()))
    tree = ast.parse("".join(tagged["source"]))
    return {node.target.id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.AnnAssign)}


def checked(chapter: str, given: dict[str, Any]) -> dict[str, Any]:
    """All of a chapter's parameters, the given ones in place of defaults.

    Raises BookError for a name that the chapter does not have, or a value of another type."""
    known = defaults(chapter)
    for name, value in given.items():
        if name not in known:
            raise BookError(f"chapter {chapter} has no parameter {name!r}; its parameters are {', '.join(known)}")
        if type(value) is not type(known[name]) and not (isinstance(value, int) and isinstance(known[name], float)):
            kind = type(known[name]).__name__
            raise BookError(f"parameter {name} of chapter {chapter} is of type {kind}, got {value!r}")
    return known | given


def parameters(namespace: dict[str, Any], *, chapter: str) -> dict[str, Any]:
    """A chapter's parameters as this kernel has them; to be called in the cell after the parameters.

    `namespace` is `globals()`. Raises BookError when a name was injected that is not the chapter's, since
    papermill would run the default instead. Run again later in a session, it no longer looks for strays."""
    known = defaults(chapter)
    given = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and name not in KERNEL_NAMES and not isinstance(value, ModuleType)
    }
    if namespace.get("_parameters_checked"):
        given = {name: given[name] for name in known}
    namespace["_parameters_checked"] = True
    return checked(chapter, given)


def parsed(assignments: str) -> dict[str, Any]:
    """`'n_sequences=8 text=my.txt'` as a dictionary; numbers become numbers, files absolute paths."""
    given: dict[str, Any] = {}
    for assignment in assignments.split():
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise BookError(f"PARAMETERS takes name=value pairs parted by spaces, got {assignment!r}")
        try:
            given[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            given[name] = value
    if isinstance(given.get("text"), str) and Path(given["text"]).is_file():
        given["text"] = str(Path(given["text"]).resolve())
    return given


def absolute(model: str) -> str:
    """The model's name, a directory made absolute: a relative one can mean something else elsewhere."""
    is_directory = model not in source.pocket_names() and Path(model).expanduser().is_dir()
    return str(Path(model).expanduser().resolve()) if is_directory else model


def execute(chapter: str, *, log: Path, output: Path, results: Path, given: dict[str, Any]) -> None:
    """Runs one chapter by papermill into `log`, a line of progress at a time, and on success into `output`.

    Raises BookError naming chapter, cell and error when it fails; the partial notebook stays at `log`."""
    import papermill

    checked(chapter, given)
    shutil.rmtree(results, ignore_errors=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ |= kernel_environment()
    bar = {
        "file": _Lines(),
        "disable": False,
        "mininterval": 2,
        "bar_format": f"{chapter}: cell {{n_fmt}} of {{total_fmt}}, {{elapsed}}",
    }
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{chapter}.ipynb",
            log,
            parameters=given | {"results": str(results)},
            kernel_name="python3",
            cwd=str(NOTEBOOKS),
            progress_bar=bar,
            autosave_cell_every=10,
        )
    except papermill.PapermillExecutionError as error:
        shutil.rmtree(results, ignore_errors=True)
        place = f"chapter {chapter}, cell {error.exec_count}"
        raise BookError(f"{place}: {error.ename}: {error.evalue}; the partial notebook is {log}") from None
    results.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(log, output)


class _Lines:
    """A stream that shows a progress bar as lines, fit for logs and for several chapters at once."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()


def stage(run: Path, *, names: list[str]) -> None:
    """Lays out a run for Jupyter Book: prose and executed chapters mirrored, `_config.yml`, `run.json`."""
    staged = run / "book"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(REPOSITORY / "book", staged / "book")
    (staged / "notebooks").mkdir()
    cards = {}
    for name in names:
        notebook = json.loads((run / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        cards[name] = json.loads((run / "results" / name / "card.json").read_text(encoding="utf-8"))
        cards[name]["seconds"] = round(notebook["metadata"]["papermill"]["duration"], 1)
        (staged / "notebooks" / f"{name}.ipynb").write_text(json.dumps(_tagged(notebook)), encoding="utf-8")
    first = cards[names[0]]
    shared = {key: first[key] for key in ("model", "source", "revision", "architecture", "device", "versions", "code")}
    report = shared | {"date": first["date"], "chapters": cards}
    (run / "run.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (run / "_config.yml").write_text(yaml.safe_dump(_config(report), allow_unicode=True), encoding="utf-8")


def _tagged(notebook: dict[str, Any]) -> dict[str, Any]:
    """The executed notebook without its default parameters, when others were injected."""
    tags = {tag for cell in notebook["cells"] for tag in cell["metadata"].get("tags", ())}
    for cell in notebook["cells"]:
        own = cell["metadata"].get("tags", [])
        if "parameters" in own and "injected-parameters" in tags:
            cell["metadata"]["tags"] = [*own, "remove-cell"]
        elif "injected-parameters" in own:
            cell["metadata"]["tags"] = [*own, "hide-input"]
    return notebook


def _config(report: dict[str, Any]) -> dict[str, Any]:
    """The root `_config.yml` for one run: its model in the title, its run card at the foot of every page."""
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
    config["title"] = f"{config['title']} · {report['model']}"
    card = " · ".join(
        f"{label} {report[key]}" for label, key in (("model", "model"), ("revision", "revision"), ("code", "code"))
    )
    card += f" · torch {report['versions']['torch']} · {report['date']}"
    config["html"] = config.get("html", {}) | {"extra_footer": f'<p class="run-card">Run card: {card}</p>'}
    return config


def build(run: Path, *, site: Path) -> None:
    """Renders a staged run into `site`, which is replaced only by a complete book."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(run / "book"),
        "--config",
        str(run / "_config.yml"),
    ]
    command += ["--toc", str(REPOSITORY / "_toc.yml"), "--path-output", str(run), "--all", "-W", "-n", "--keep-going"]
    shutil.rmtree(run / "_build", ignore_errors=True)
    done = subprocess.run([*command, "-q"], capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
        raise BookError(f"Jupyter Book could not build {run / 'book'}; its messages are above")
    shutil.rmtree(site, ignore_errors=True)
    site.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run / "_build" / "html", site)


def make(targets: str, *, model: str, chapter: str, assignments: str, jobs: int) -> None:
    """The everyday targets: checks the request, then hands it to Snakemake, one run at a time."""
    wanted = [chapter_named(chapter)] if chapter else chapters()
    given = parsed(assignments)
    for name in wanted:
        checked(name, given)
    model = absolute(model)
    source.resolve(model, revision=str(given.get("revision", "")))
    slug, runs = source.slug(model), REPOSITORY / "runs"
    goal = f"site/{slug}/index.html" if targets == "book" else f"runs/{slug}/notebooks/{wanted[0]}.ipynb"
    runs.mkdir(exist_ok=True)
    with (runs / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BookError("another run is under way in this folder; wait for it to end") from None
        shutil.rmtree(REPOSITORY / ".snakemake" / "locks", ignore_errors=True)  # stale: we hold the lock
        request = runs / ".request.json"  # a file keeps the types of values, which --config does not
        request.write_text(json.dumps({"model": model, "parameters": given}))
        command = [sys.executable, "-m", "snakemake", goal, "--cores", str(jobs), "--rerun-incomplete"]
        command += ["--keep-going", "--scheduler", "greedy", "--quiet", "all", "--configfile", str(request)]
        if subprocess.run(command, cwd=REPOSITORY, pass_fds=[lock.fileno()]).returncode:
            raise BookError(f"{goal} was not made; what stopped it is said above")
    print(f"made {goal}")


def main() -> None:
    """Command line of the Makefile and the Snakefile."""
    parser = argparse.ArgumentParser(prog="python -m lib.book", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    everyday = commands.add_parser("make")
    everyday.add_argument("target", choices=["book", "chapter"])
    everyday.add_argument("--model", default="pocket")
    everyday.add_argument("--chapter", default="")
    everyday.add_argument("--parameters", default="")
    everyday.add_argument("--jobs", type=int, default=os.cpu_count())
    one = commands.add_parser("execute")
    one.add_argument("chapter")
    one.add_argument("--model", required=True)
    one.add_argument("--parameters", default="{}", help="as JSON")
    for place in ("--log", "--output", "--results"):
        one.add_argument(place, type=lambda path: Path(path).resolve(), required=True)
    rendered = commands.add_parser("render")
    rendered.add_argument("run", type=lambda path: Path(path).resolve())
    rendered.add_argument("site", type=lambda path: Path(path).resolve())
    arguments = parser.parse_args()
    try:
        _dispatch(arguments)
    except (BookError, source.SourceError) as error:
        sys.exit(f"error: {error}")


def _dispatch(arguments: argparse.Namespace) -> None:
    if arguments.command == "make":
        if arguments.target == "chapter" and not arguments.chapter:
            raise BookError(f"say which chapter, as in: make chapter CHAPTER={chapters()[0].split('_')[0]}")
        make(
            arguments.target,
            model=arguments.model,
            chapter=arguments.chapter,
            assignments=arguments.parameters,
            jobs=arguments.jobs,
        )
    elif arguments.command == "execute":
        given = {"model": arguments.model} | json.loads(arguments.parameters)
        execute(arguments.chapter, log=arguments.log, output=arguments.output, results=arguments.results, given=given)
    else:
        stage(arguments.run, names=chapters())
        build(arguments.run, site=arguments.site)


if __name__ == "__main__":
    main()

# The graph of a run: chapter notebooks -> executed notebooks and result tables -> the book.
# Everyday use goes through the Makefile; `snakemake site/pocket/index.html --cores 2` works as well.
import json
import os
import sys

sys.path.insert(0, workflow.basedir)
from lib import book, source

MODEL = str(config.get("model", "pocket"))
GIVEN = dict(config.get("parameters", {}))
SLUG = source.slug(MODEL)
LIBRARY = sorted(str(path) for path in Path("lib").rglob("*") if path.is_file() and path.suffix != ".pyc")
PROSE = sorted(str(path) for path in Path("book").rglob("*") if path.is_file())


wildcard_constraints:
    chapter=r"\d\d_\w+",


rule html:
    input:
        chapters=expand(f"runs/{SLUG}/notebooks/{{chapter}}.ipynb", chapter=book.chapters()),
        prose=PROSE,
        config="_config.yml",
        toc="_toc.yml",
    output:
        f"site/{SLUG}/index.html",
    threads: workflow.cores
    shell:
        "{sys.executable} -m lib.book render runs/{SLUG} site/{SLUG}"


rule chapter:
    input:
        notebook="notebooks/{chapter}.ipynb",
        library=LIBRARY,
        claims=[path for path in PROSE if path.endswith(".yml")],
        requirements="requirements.txt",
    output:
        notebook=f"runs/{SLUG}/notebooks/{{chapter}}.ipynb",
        results=directory(f"runs/{SLUG}/results/{{chapter}}"),
    log:
        f"runs/{SLUG}/logs/{{chapter}}.ipynb",
    params:
        model=MODEL,
        given=json.dumps(GIVEN),
        kernels=os.environ.get("ATEN_CPU_CAPABILITY", ""),  # other kernels, other digits: chapters run anew
    threads: book.THREADS
    shell:
        "{sys.executable} -m lib.book execute {wildcards.chapter} --model {params.model:q}"
        " --parameters {params.given:q} --log {log:q} --output {output.notebook:q} --results {output.results:q}"

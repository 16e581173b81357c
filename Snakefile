# The graph of a run: what each chapter is asked for -> executed notebooks and result tables -> the book.
# Everyday use goes through the Makefile; `snakemake site/pocket/index.html --cores 2` works as well.
import sys

sys.path.insert(0, workflow.basedir)
from lib import book

try:
    if workflow.is_main_process:
        book.hold(Path("runs"))
    book.refuse_settings(config)
    MODEL, GIVEN = str(config.get("model", "pocket")), dict(config.get("parameters", {}))
    ORDER = book.order(MODEL, GIVEN, wanted=book.chapters_named(config.get("chapters")) or book.chapters_about(MODEL, GIVEN))
    RUN = f"runs/{ORDER.slug}"
    if workflow.is_main_process:
        ORDER.write(Path(RUN))
except Exception as error:
    sys.exit(book.net.told(error))

for name, most in {"megabytes": book.machine.free(), "cards": 1}.items():  # of this machine, unless --resources says
    if workflow.global_resources.get(name).value is None:
        workflow.register_resource(name, most)

PROSE = sorted(str(path) for path in Path("book").rglob("*") if path.is_file())
CODE = sorted(str(path) for path in Path("lib").rglob("*.py"))  # which the book shows


resource_scopes:
    megabytes="local",
    cards="local",


wildcard_constraints:
    chapter=r"\d\d_\w+",


rule html:
    input:
        chapters=expand(f"{RUN}/notebooks/{{chapter}}.ipynb", chapter=ORDER.asked),
        prose=PROSE,
        code=CODE,
        config="_config.yml",
        toc="_toc.yml",
    output:
        f"site/{ORDER.slug}/index.html",
    params:
        chapters=list(ORDER.asked),
    threads: workflow.cores
    shell:
        "{sys.executable:q} -m lib.book render {RUN} site/{ORDER.slug} --chapters {params.chapters}"


rule chapter:
    input:
        asked=f"{RUN}/asked/{{chapter}}.json",  # by content: notebook, models, text, library, environment, parameters
    output:
        notebook=f"{RUN}/notebooks/{{chapter}}.ipynb",
        results=directory(f"{RUN}/results/{{chapter}}"),
    log:
        f"{RUN}/logs/{{chapter}}.ipynb",
    threads: int(config.get("threads", book.THREADS))
    resources:
        megabytes=lambda wildcards: ORDER.memory[wildcards.chapter],
        mem_mb=lambda wildcards: ORDER.memory[wildcards.chapter],  # what a cluster is asked for
        cards=ORDER.cards,
    shell:
        "{sys.executable:q} -m lib.book execute {wildcards.chapter} --asked {input.asked:q} --threads {threads}"
        " --log {log:q} --output {output.notebook:q} --results {output.results:q}"

"""From chapters to a book: what is left to do around papermill, Snakemake and Jupyter Book.

The Snakefile is the graph; here is what its rules call. `request` refuses what cannot be met before a
kernel starts, `run` executes chapters and says in one sentence where one failed, `stage` lays out the
executed chapters as Jupyter Book wants them, `site` renders them and mends the pages; `say` and `summary`
show what a run found in words. Imports no torch."""

from lib.book.request import (
    NOTEBOOKS,
    REPOSITORY,
    BookError,
    absolute,
    chapter_named,
    chapters,
    checked,
    defaults,
    parameters,
    parsed,
)
from lib.book.run import THREADS, execute, kernel_environment, make
from lib.book.saying import SUMMARY, Said, say, summary
from lib.book.site import build
from lib.book.stage import stage

__all__ = [
    "NOTEBOOKS",
    "REPOSITORY",
    "SUMMARY",
    "THREADS",
    "BookError",
    "Said",
    "absolute",
    "build",
    "chapter_named",
    "chapters",
    "checked",
    "defaults",
    "execute",
    "kernel_environment",
    "make",
    "parameters",
    "parsed",
    "say",
    "stage",
    "summary",
]

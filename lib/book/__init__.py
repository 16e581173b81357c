"""From chapters to a book: what is left to do around papermill, Snakemake and Jupyter Book.

The Snakefile is the graph; here is what its rules call. `request` refuses what cannot be met before a kernel starts,
`orders` says by content what each chapter is to be made of, `engine` has made what is stale, `run` executes a chapter
in the `kernel` of this environment and says in one sentence where it failed, `stage` lays out the executed chapters
as Jupyter Book wants them, `site` renders them and mends the pages; `say` and `summary` show what a run found in words.
Imports no torch."""

from lib.book import machine, net
from lib.book.engine import hold, make
from lib.book.kernel import kernel_environment
from lib.book.orders import Order, order
from lib.book.request import (
    NOTEBOOKS,
    REPOSITORY,
    BookError,
    chapter_named,
    chapters,
    chapters_about,
    chapters_named,
    checked,
    chosen,
    defaults,
    is_of_a_pair,
    parameters,
    parsed,
    refuse_settings,
)
from lib.book.run import THREADS, Places, execute
from lib.book.saying import SUMMARY, Said, say, summary
from lib.book.site import build
from lib.book.stage import stage

__all__ = [
    "NOTEBOOKS",
    "REPOSITORY",
    "SUMMARY",
    "THREADS",
    "BookError",
    "Order",
    "Places",
    "Said",
    "build",
    "chapter_named",
    "chapters",
    "chapters_about",
    "chapters_named",
    "checked",
    "chosen",
    "defaults",
    "execute",
    "hold",
    "is_of_a_pair",
    "kernel_environment",
    "machine",
    "make",
    "net",
    "order",
    "parameters",
    "parsed",
    "refuse_settings",
    "say",
    "stage",
    "summary",
]

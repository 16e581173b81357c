"""The command line of the Makefile and the Snakefile: `python -m lib.book make | execute | render | lab`."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from lib.book import THREADS, BookError, Places, build, chapters, execute, lab, make, net, stage


def main() -> None:
    """Command line of the Makefile and the Snakefile."""
    parser = argparse.ArgumentParser(prog="python -m lib.book", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    everyday = commands.add_parser("make")
    everyday.add_argument("target", choices=["book", "chapter"])
    everyday.add_argument("--model", default="pocket")
    everyday.add_argument("--chapter", default="")
    everyday.add_argument("--post-trained", default="")
    everyday.add_argument("--parameters", default="")
    everyday.add_argument("--jobs", type=int, default=os.cpu_count())
    everyday.add_argument("--save", action="store_true", help="keep what the book found in book/models")
    one = commands.add_parser("execute")
    one.add_argument("chapter")
    one.add_argument("--asked", type=Path, required=True, help="the file that says what is asked for")
    one.add_argument("--threads", type=int, default=THREADS)
    for place in ("--log", "--output", "--results"):
        one.add_argument(place, type=lambda path: Path(path).resolve(), required=True)
    rendered = commands.add_parser("render")
    rendered.add_argument("run", type=lambda path: Path(path).resolve())
    rendered.add_argument("site", type=lambda path: Path(path).resolve())
    rendered.add_argument("--chapters", nargs="+", default=chapters())
    opened = commands.add_parser("lab")
    opened.add_argument("--chapter", default="")
    arguments = parser.parse_args()
    sys.exit(net.caught(lambda: _dispatch(arguments), quiet=arguments.command != "make"))


def _dispatch(arguments: argparse.Namespace) -> None:
    if arguments.command == "make":
        if arguments.target == "chapter" and arguments.save:
            raise BookError("--save keeps a whole book, got one chapter; leave it out, or make the book")
        if arguments.target == "chapter" and not arguments.chapter:
            raise BookError(f"say which chapter, as in: make chapter CHAPTER={chapters()[0].split('_')[0]}")
        make(
            arguments.target,
            model=arguments.model,
            chapter=arguments.chapter,
            post_trained=arguments.post_trained,
            assignments=arguments.parameters,
            jobs=arguments.jobs,
            save=arguments.save,
        )
    elif arguments.command == "execute":
        places = Places(log=arguments.log, output=arguments.output, results=arguments.results)
        asked = json.loads(arguments.asked.read_text(encoding="utf-8"))
        execute(arguments.chapter, asked, places=places, threads=arguments.threads)
    elif arguments.command == "lab":
        lab.lab(arguments.chapter)
    else:
        print(f"site: rendering {arguments.site.name}", file=sys.stderr, flush=True)
        stage(arguments.run, names=arguments.chapters)
        build(arguments.run, site=arguments.site)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C: what was begun is put away
    main()

"""The same measurements on a real model: what a kept run says beside the run of a book.

A run that is kept lies in `book/models`: its tables, its ledger, and what it was made of. `results` reads it and the
run of the book alike, `asking` says for each question of the page what both measured, `drawing` draws it, and `page`
fills the page in. What carries over is decided by verdicts and intervals (`lib.claims.carrying`), never by eye."""

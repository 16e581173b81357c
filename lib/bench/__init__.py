"""How fast the effects are: the published procedure, hooks and the three gears, side by side in one run.

`python -m lib.bench` writes `runs/bench.json`. Each way of computing works in a process of its own, so that its
peak memory is its own (`worker`), and they take turns, so that a busy machine slows all of them alike (`run`).
Between them the machine shows what it can do at best, bare exponentials and bare products (`ceiling`), so that each
gear has a share of that beside its ratio, which depends on the processor. What they work on is a random model of GPT-2
small's shape, and the pocket model (`case`)."""

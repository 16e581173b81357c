"""What a run found, in words: a sentence for each figure, computed from the numbers that the figure shows.

One module for each chapter. A function takes estimates and tables and returns one or two sentences that are right
whichever way the numbers came out: an effect, none, or the opposite one. Which of them is said is decided by the whole
interval, as in the ledger, so that a page and its ledger never disagree. `wording` holds what all of them share."""

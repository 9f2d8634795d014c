"""Makes the main table of docs/results_retrieval.md again: recall of each method, with its interval.

    python3 examples/table.py musique/dev_100.jsonl [--limit N]

A few minutes for 100 questions on 2 cores; needs pandas, and the program `s3attn` on the PATH.
"""
import sys

import pandas
import s3attn

data, limit = sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 0
rows = pandas.DataFrame(s3attn.eval(data, methods=["bm25", "s3", "hybrid"], limit=limit))
shown = []
for method, group in rows.groupby("method", sort=False):
    line = {"method": method, "n": len(group)}
    for metric in ("r5", "r10", "r20", "mrr"):
        means = [group[metric].sample(frac=1, replace=True, random_state=i).mean()
                 for i in range(1000)]
        low, high = pandas.Series(means).quantile([0.025, 0.975])
        line[metric] = f"{group[metric].mean():.3f} [{low:.3f}, {high:.3f}]"
    shown.append(line)
print(pandas.DataFrame(shown).to_string(index=False))

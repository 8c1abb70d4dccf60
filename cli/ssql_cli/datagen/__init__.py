"""Made-up rows in known shapes: the same for the same seed, whole columns at a time, with times that go forward.

shapes.py    the shapes: their streams and tables, and what makes their rows
nexmark.py   the auction site of the Nexmark benchmark, with its proportions
feed.py      rows into streams, at a rate
"""

"""Tests of people's own queries, with no broker: a script with assertions, carried out again and again.

Comes in: files of tests. Goes out: a result a test, with what was expected and what there was. It sees engines from
outside: statements, and the records of topics; it must never know how a query is carried out.

    script       files of tests: directives, statements, assertions, each with its line
    triples      the other form: statements, input records and output records in three files
    play         one run of a test: statements one after the other, rows as an `Arrival` gives them
    assertions   what an assertion says against what the topics hold; `rows` and `diff` show how they differ
    arrivals     how rows come in: one by one, cut at random, shuffled, or while the process dies again and again
    rerun        the runs of one test, and whether they end the same
    check        what is wrong with the statements of a script, without carrying it out
    bench        an engine on a log of its own; `mortal` is a log whose process dies at a chosen moment
    codec        records as bytes and back; `values` and `compare`: JSON and SQL values
    pool         tests in processes of their own
    report       results as text; `junit` as JUnit's XML
"""

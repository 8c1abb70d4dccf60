"""Subscriptions: queries that are followed, by any number of clients, each from where it stopped.

Comes in: a SELECT, and the token of the last frame that a client has processed. Goes out: frames, each with the
frontier that it leads to and the token to go on from. Knows nothing of HTTP.

    start         a statement, and how it is to be followed -> a subscription
    places        where a query that is followed begins to read: new, or to go on exactly behind a token
    tokens        a place in the results of a query, as text
    feed          one running computation, and its last frames: shared by all who follow the same query
    wanted        the rows of one key, out of the changes that are told to all
    routes        the ways of entries to those who want the rows of one key
    result        what a table's query has come to: its rows by key, and their digest
    net           the net effect of changes
    subscription  one client's way through the frames of feeds
"""

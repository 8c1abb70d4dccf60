"""Input that is wrong: records that cannot be processed, statements that cannot be carried out.

The good rows beside a bad one, and the server after a wrong statement, are as if it had not come.
"""

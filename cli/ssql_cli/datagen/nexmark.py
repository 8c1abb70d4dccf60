"""Nexmark's events: of fifty, one person, three auctions and 46 bids, in this order.

First ids are 1000, categories 10 to 14. Half of the bids are for the newest auction whose number is a multiple of 100,
three of four bidders are the hot one of the moment, as are three of four sellers; the others are among the last 100
auctions and the last 1000 persons.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql_cli.datagen.shapes import Dice, Made, Numbers

FIRST_ID = 1000
FIRST_CATEGORY = 10
_EPOCH, _PERSONS, _AUCTIONS = 50, 1, 3
_IN_FLIGHT, _ACTIVE = 100, 1000
_HOT_AUCTION, _HOT_SELLER, _HOT_BIDDER = 2, 4, 4
_HOT_STEP = 100

_STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
_CITIES = ("Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent")
_FIRST = ("Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter")
_LAST = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")
_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")


def make(dice: Dice, times: Numbers) -> Made:
    """The events of these numbers, each among the rows of its stream."""
    place = dice.rows % _EPOCH
    persons, auctions = place < _PERSONS, (place >= _PERSONS) & (place < _PERSONS + _AUCTIONS)
    bids = ~(persons | auctions)
    return {
        "PERSON": (dice.rows[persons], _persons(dice.where(persons), times[persons])),
        "AUCTION": (dice.rows[auctions], _auctions(dice.where(auctions), times[auctions])),
        "BID": (dice.rows[bids], _bids(dice.where(bids), times[bids])),
    }


def _last_person(events: Numbers) -> Numbers:
    """How many persons came before an event, or with it; less one."""
    return events // _EPOCH


def _last_auction(events: Numbers) -> Numbers:
    """How many auctions came before an event, or with it; less one."""
    in_epoch = np.clip(events % _EPOCH - _PERSONS + 1, 0, _AUCTIONS)
    return events // _EPOCH * _AUCTIONS + in_epoch - 1


def _persons(dice: Dice, times: Numbers) -> dict[str, pa.Array]:
    first, last = dice.choice(1, _FIRST), dice.choice(2, _LAST)
    digits = [pa.array(dice.integer(10 + i, 1000, 10_000)).cast(pa.string()) for i in range(4)]
    return {
        "ID": pa.array(FIRST_ID + _last_person(dice.rows)),
        "NAME": pc.binary_join_element_wise(first, last, " "),
        "EMAILADDRESS": pc.binary_join_element_wise(
            pc.binary_join_element_wise(pc.utf8_lower(first), pc.utf8_lower(last), "@"), "com", "."
        ),
        "CREDITCARD": pc.binary_join_element_wise(*digits, " "),
        "CITY": dice.choice(3, _CITIES),
        "STATE": dice.choice(4, _STATES),
        "DATETIME": _timestamps(times),
        "EXTRA": _text(dice, 5, 100),
    }


def _auctions(dice: Dice, times: Numbers) -> dict[str, pa.Array]:
    last = _last_person(dice.rows)
    hot = dice.integer(1, 0, _HOT_SELLER) > 0
    seller = np.where(hot, last // _HOT_STEP * _HOT_STEP, _recent(dice, 2, last, _ACTIVE))
    initial = _price(dice, 3)
    # An auction is open for about as long as the events take that bring as many auctions as are in flight.
    open_ms = dice.integer(5, 1000, 20_000)
    return {
        "ID": pa.array(FIRST_ID + _last_auction(dice.rows)),
        "ITEMNAME": _text(dice, 6, 12),
        "DESCRIPTION": _text(dice, 7, 60),
        "INITIALBID": pa.array(initial),
        "RESERVE": pa.array(initial + _price(dice, 4)),
        "DATETIME": _timestamps(times),
        "EXPIRES": _timestamps(times + open_ms),
        "SELLER": pa.array(FIRST_ID + seller),
        "CATEGORY": pa.array(FIRST_CATEGORY + dice.integer(8, 0, 5)),
        "EXTRA": _text(dice, 9, 150),
    }


def _bids(dice: Dice, times: Numbers) -> dict[str, pa.Array]:
    last_auction, last_person = _last_auction(dice.rows), _last_person(dice.rows)
    hot = dice.integer(1, 0, _HOT_AUCTION) > 0
    auction = np.where(hot, last_auction // _HOT_STEP * _HOT_STEP, _recent(dice, 2, last_auction, _IN_FLIGHT))
    hot = dice.integer(3, 0, _HOT_BIDDER) > 0
    # One beside the hot seller: nobody bids for what they sell themselves.
    bidder = np.where(hot, np.minimum(last_person // _HOT_STEP * _HOT_STEP + 1, last_person), 0)
    bidder = np.where(hot, bidder, _recent(dice, 4, last_person, _ACTIVE))
    number = pa.array(dice.integer(6, 0, 10_000)).cast(pa.string())
    named = dice.uniform(7) < 0.5
    channel = pc.if_else(
        pa.array(named), dice.choice(8, _CHANNELS), pc.binary_join_element_wise("channel", number, "-")
    )
    item = pc.binary_join_element_wise(
        "https://www.nexmark.com", _text(dice, 9, 5), _text(dice, 10, 5), "item.htm", "/"
    )
    url = pc.binary_join_element_wise(item, pc.binary_join_element_wise("channel_id", number, "="), "?query=1&")
    return {
        "AUCTION": pa.array(FIRST_ID + auction),
        "BIDDER": pa.array(FIRST_ID + bidder),
        "PRICE": pa.array(_price(dice, 5)),
        "CHANNEL": channel,
        "URL": url,
        "DATETIME": _timestamps(times),
        "EXTRA": _text(dice, 11, 40),
    }


def _recent(dice: Dice, column: int, last: Numbers, window: int) -> Numbers:
    """One of the last so many, and of those before the first none."""
    first = np.maximum(last - window + 1, 0)
    return first + (dice.uniform(column) * (last - first + 1)).astype(np.int64)


def _price(dice: Dice, column: int) -> Numbers:
    """Cents from 1 to a hundred thousand dollars, each order of magnitude as often as the others."""
    return np.round(10 ** (dice.uniform(column) * 6) * 100).astype(np.int64)


def _timestamps(times: Numbers) -> pa.Array:
    return pa.array(times).cast(pa.timestamp("ms"))


def _text(dice: Dice, column: int, length: int) -> pa.Array:
    """Letters without a meaning."""
    words = [(_LETTERS * 8)[i : i + length] for i in range(len(_LETTERS))]
    return dice.choice(column, words)


_LETTERS = "qwjxkvbzpgfyumdclhrsntoaieqkzjvxwbpgyfmucdlhrsnoitae"

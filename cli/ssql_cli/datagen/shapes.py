"""The shapes that `ssql datagen` makes. One entry of `SHAPES` a shape.

Row number n of a shape is the same for the same seed, however the rows are cut into batches: what is random is a hash
of the seed, the row's number and the column, not the state of a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers = npt.NDArray[np.int64]


class Dice:
    """Random columns for rows of these numbers."""

    def __init__(self, seed: int, rows: Numbers) -> None:
        self.rows = rows
        self._seed = seed

    def where(self, mask: npt.NDArray[np.bool_]) -> Dice:
        """The dice of some of the rows."""
        return Dice(self._seed, self.rows[mask])

    def uniform(self, column: int) -> npt.NDArray[np.float64]:
        """Numbers of [0, 1)."""
        # splitmix64: each row's number is mixed by itself, so any slice of the rows gives the same values.
        with np.errstate(over="ignore"):
            salt = np.uint64((self._seed * 1_000_003 + column + 1) % (1 << 64)) * np.uint64(0x9E3779B97F4A7C15)
            x = self.rows.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9) + salt
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
            x ^= x >> np.uint64(31)
        return (x >> np.uint64(11)).astype(np.float64) / float(1 << 53)

    def integer(self, column: int, low: int, high: int) -> Numbers:
        """Integers of low to high - 1."""
        return low + (self.uniform(column) * (high - low)).astype(np.int64)

    def skewed(self, column: int, count: int) -> Numbers:
        """Integers below `count`, small ones often: a few customers buy most."""
        return (self.uniform(column) ** 3 * count).astype(np.int64)

    def choice(self, column: int, words: Sequence[str]) -> pa.Array:
        return pa.array(words).take(pa.array(self.integer(column, 0, len(words))))

    def money(self, column: int, low: float, high: float) -> pa.Array:
        """Amounts with two digits, small ones often."""
        return pa.array(np.round(low + self.uniform(column) ** 2 * (high - low), 2))


def name(prefix: str, numbers: Numbers) -> pa.Array:
    """Names such as `user_17`."""
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "_")


#: The columns of some rows, by the stream or table that they are for; and the event's number for each row of each.
Made = Mapping[str, tuple[Numbers, Mapping[str, pa.Array]]]


@dataclass(frozen=True)
class Shape:
    """`definitions`: the columns of each stream or table as CREATE has them, after its kind and name.

    `make`: rows from numbers, and the times (ms) of these.
    """

    help: str
    definitions: Mapping[str, tuple[str, str]]
    make: Callable[[Dice, Numbers], Made]


_ITEMS = ("tea", "coffee", "cake", "bread", "butter", "jam", "milk", "honey", "apples", "rice")
_CITIES = ("Berlin", "Lagos", "Lima", "Mumbai", "Osaka", "Paris", "Quito", "Seoul", "Toronto", "Vienna")
_PAGES = ("/", "/search", "/product", "/cart", "/checkout", "/help", "/account")
_AGENTS = ("Firefox", "Chrome", "Safari", "Edge", "curl")


def _orders(dice: Dice, _times: Numbers) -> Made:
    quantity = dice.integer(3, 1, 6)
    price = dice.money(4, 1, 80)
    return {
        "ORDERS": (
            dice.rows,
            {
                "CUSTOMER": name("customer", dice.skewed(1, 1000)),
                "ORDER_ID": pa.array(dice.rows),
                "ITEM": dice.choice(2, _ITEMS),
                "QUANTITY": pa.array(quantity.astype(np.int32)),
                "PRICE": price,
                "CITY": dice.choice(5, _CITIES),
            },
        )
    }


def _clickstream(dice: Dice, times: Numbers) -> Made:
    user = dice.skewed(1, 500)
    return {
        "CLICKS": (
            dice.rows,
            {
                "USER_ID": name("user", user),
                # A visitor has a new session every half an hour.
                "SESSION_ID": name("session", user * 1_000_000 + times // 1_800_000 % 1_000_000),
                "PAGE": dice.choice(2, _PAGES),
                "REFERRER": dice.choice(3, ("", "search", "mail", "ad", "friend")),
                "AGENT": dice.choice(4, _AGENTS),
                "MS_ON_PAGE": pa.array(dice.integer(5, 50, 60_000)),
            },
        )
    }


def _pageviews(dice: Dice, times: Numbers) -> Made:
    return {
        "PAGEVIEWS": (
            dice.rows,
            {
                "PAGEID": name("Page", dice.integer(2, 10, 100)),
                "USERID": name("User", dice.integer(1, 1, 10)),
                "VIEWTIME": pa.array(times),
            },
        )
    }


def _users(dice: Dice, times: Numbers) -> Made:
    return {
        "USERS": (
            dice.rows,
            {
                "USERID": name("User", dice.integer(1, 1, 10)),
                "REGISTERTIME": pa.array(times - dice.integer(4, 0, 365 * 86_400_000)),
                "REGIONID": name("Region", dice.integer(2, 1, 10)),
                "GENDER": dice.choice(3, ("FEMALE", "MALE", "OTHER")),
            },
        )
    }


def _sensors(dice: Dice, times: Numbers) -> Made:
    sensor = dice.rows % 50
    day = np.sin(2 * np.pi * (times % 86_400_000) / 86_400_000)
    degrees = np.round(15 + sensor / 10 + 8 * day + dice.uniform(1) - 0.5, 2)
    return {
        "SENSORS": (
            dice.rows,
            {
                "SENSOR_ID": name("sensor", sensor),
                "TEMPERATURE": pa.array(degrees),
                "HUMIDITY": pa.array(np.round(50 - 10 * day + 5 * dice.uniform(2), 1)),
                "OK": pa.array(dice.uniform(3) > 0.01),
            },
        )
    }


def _nexmark(dice: Dice, times: Numbers) -> Made:
    from ssql_cli.datagen.nexmark import make

    return make(dice, times)


SHAPES: dict[str, Shape] = {
    "orders": Shape(
        "orders of a shop: customer, item, quantity, price",
        {
            "ORDERS": (
                "STREAM",
                "customer STRING KEY, order_id BIGINT, item STRING, quantity INT, price DOUBLE, city STRING",
            )
        },
        _orders,
    ),
    "clickstream": Shape(
        "clicks of visitors, in sessions",
        {
            "CLICKS": (
                "STREAM",
                "user_id STRING KEY, session_id STRING, page STRING, referrer STRING, agent STRING, ms_on_page BIGINT",
            )
        },
        _clickstream,
    ),
    "pageviews": Shape(
        "views of pages, as ksqlDB's own data generator has them",
        {"PAGEVIEWS": ("STREAM", "pageid STRING KEY, userid STRING, viewtime BIGINT")},
        _pageviews,
    ),
    "users": Shape(
        "a table of users for pageviews, as ksqlDB's own data generator has it",
        {"USERS": ("TABLE", "userid STRING PRIMARY KEY, registertime BIGINT, regionid STRING, gender STRING")},
        _users,
    ),
    "sensors": Shape(
        "fifty sensors through days and nights",
        {"SENSORS": ("STREAM", "sensor_id STRING KEY, temperature DOUBLE, humidity DOUBLE, ok BOOLEAN")},
        _sensors,
    ),
    "nexmark": Shape(
        "the auction site of the Nexmark benchmark: person, auction, bid",
        {
            "PERSON": (
                "STREAM",
                "id BIGINT KEY, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,"
                " dateTime TIMESTAMP, extra STRING",
            ),
            "AUCTION": (
                "STREAM",
                "id BIGINT KEY, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,"
                " dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra STRING",
            ),
            "BID": (
                "STREAM",
                "auction BIGINT KEY, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime TIMESTAMP,"
                " extra STRING",
            ),
        },
        _nexmark,
    ),
}

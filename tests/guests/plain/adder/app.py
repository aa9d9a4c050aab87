"""Plain functions: nothing here knows who calls them."""

import datetime

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.dates import Date


class Add(exports.Add):
    def add(self, x: int, y: int) -> int:
        return (x + y) % 2**32


def _date(date: Date) -> datetime.date:
    try:
        return datetime.date(date.year, date.month, date.day)
    except ValueError as error:
        raise Err(str(error)) from error


class Dates(exports.Dates):
    def add(self, start: Date, days: int) -> Date:
        try:
            end = _date(start) + datetime.timedelta(days=days)
        except OverflowError as error:
            raise Err(str(error)) from error
        return Date(end.year, end.month, end.day)

    def iso_week(self, of: Date) -> tuple[int, int, int]:
        return tuple(_date(of).isocalendar())

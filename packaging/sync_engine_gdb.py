# SPDX-License-Identifier: MIT
"""GDB shows the records and stores of sync_engine in their own words.

In GDB, or in ~/.gdbinit:  source PREFIX/share/sync_engine/sync_engine_gdb.py
It needs the printers for libstdc++ that come with g++. `print /r` shows a value as it is.
"""

import datetime
import json

import gdb
import gdb.printing
import gdb.types

# Longer JSON is cut: in a list of records one wants to know them again, not to read them.
LONGEST_JSON = 400


def text_of(string):
    """What a std::string holds."""
    return string["_M_dataplus"]["_M_p"].string(
        "utf-8", "replace", length=int(string["_M_string_length"])
    )


def children_of(container):
    """The elements of a std::vector; of a std::map its keys and values in turn."""
    return [child for _, child in gdb.default_visualizer(container).children()]


def json_text(value):
    """A nlohmann::json as JSON."""
    if gdb.types.has_field(value.type.strip_typedefs(), "m_data"):
        value = value["m_data"]  # since nlohmann_json 3.11.3
    kind = str(value["m_type"]).rsplit("::", 1)[-1]
    held = value["m_value"]
    if kind == "object":
        parts = children_of(held["object"].dereference())
        keys = (json.dumps(text_of(key), ensure_ascii=False) for key in parts[::2])
        members = (f"{key}: {json_text(part)}" for key, part in zip(keys, parts[1::2]))
        return "{" + ", ".join(members) + "}"
    if kind == "array":
        parts = children_of(held["array"].dereference())
        return "[" + ", ".join(json_text(part) for part in parts) + "]"
    if kind == "string":
        return json.dumps(text_of(held["string"].dereference()), ensure_ascii=False)
    if kind == "null":
        return "null"
    if kind in ("boolean", "number_integer", "number_unsigned", "number_float"):
        return str(held[kind])
    return f"<{kind}>"


def iso_text(timestamp):
    """A Timestamp as ISO 8601 text; as a number where Python has no year for it."""
    microseconds = int(timestamp["__d"]["__r"])
    try:
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} us since 1970"
    return time.isoformat(timespec="microseconds") + "Z"


class SyncRecordPrinter:
    """What tells a record and its state apart from others."""

    def __init__(self, record):
        self.record = record

    def to_string(self):
        return "SyncRecord"

    def children(self):
        for name in ("id", "status", "version"):
            yield name, self.record[name]
        yield "updated_at", iso_text(self.record["updated_at"])
        yield "data", self.data()

    def data(self):
        """The app's own type as GDB shows it, JSON as text."""
        data = self.record["data"]
        if not str(data.type.strip_typedefs()).startswith("nlohmann::"):
            return data
        text = json_text(data)
        return text if len(text) <= LONGEST_JSON else text[:LONGEST_JSON] + "..."


class LocalStorePrinter:
    """How much a store holds, and how much of it waits."""

    def __init__(self, store):
        self.table = store["memory_"]["table_"]

    def to_string(self):
        statistics = self.table["statistics_"]
        dirty = self.table["dirty_"]["size_"]
        return (
            f"LocalStore of {int(statistics['total'])} records, "
            f"{int(dirty)} dirty, {int(statistics['conflicted'])} conflicted"
        )


printers = gdb.printing.RegexpCollectionPrettyPrinter("sync_engine")
printers.add_printer("SyncRecord", "^sync_engine::SyncRecord<.*>$", SyncRecordPrinter)
printers.add_printer("LocalStore", "^sync_engine::LocalStore<.*>$", LocalStorePrinter)
gdb.printing.register_pretty_printer(gdb.current_objfile(), printers, replace=True)

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

# Longer JSON is cut: in a list of records one wants to know them again, not to read them. What is
# cut is not read either, so that a large document costs no more than a small one.
LONGEST_JSON = 400


def text_of(string):
    """What a std::string holds, or its beginning."""
    length = min(int(string["_M_string_length"]), LONGEST_JSON + 1)
    return string["_M_dataplus"]["_M_p"].string("utf-8", "replace", length=length)


def quoted(string):
    """A std::string as JSON has it."""
    return json.dumps(text_of(string), ensure_ascii=False)


def children_of(container):
    """The elements of a std::vector; of a std::map its keys and values in turn."""
    return (child for _, child in gdb.default_visualizer(container).children())


def pointed_to(pointer):
    """What a std::shared_ptr points to; None where that is nothing."""
    return pointer["_M_ptr"].dereference() if int(pointer["_M_ptr"]) else None


def boxed(box):
    """What a Boxed holds; None where that is nothing."""
    pointer = next(children_of(box["value_"]))  # the one child of a std::unique_ptr
    return pointer.dereference() if int(pointer) else None


def members_of(object_):
    """Names and values of a JSON object: of a map, or of a vector of pairs in their order."""
    if gdb.default_visualizer(object_) is None:  # ordered_map, which is derived from the vector
        object_ = object_.cast(object_.type.strip_typedefs().fields()[0].type)
    children = children_of(object_)
    for child in children:
        if gdb.types.has_field(child.type.strip_typedefs(), "first"):
            yield child["first"], child["second"]
        else:
            yield child, next(children)


def json_pieces(value):
    """A nlohmann::json as pieces of JSON, each made when it is asked for."""
    if gdb.types.has_field(value.type.strip_typedefs(), "m_data"):
        value = value["m_data"]  # since nlohmann_json 3.11.3
    kind = str(value["m_type"]).rsplit("::", 1)[-1]
    held = value["m_value"]
    separator = ""
    if kind == "object":
        yield "{"
        for name, member in members_of(held["object"].dereference()):
            yield separator + quoted(name) + ": "
            yield from json_pieces(member)
            separator = ", "
        yield "}"
    elif kind == "array":
        yield "["
        for element in children_of(held["array"].dereference()):
            yield separator
            yield from json_pieces(element)
            separator = ", "
        yield "]"
    elif kind == "string":
        yield quoted(held["string"].dereference())
    elif kind == "null":
        yield "null"
    elif kind == "number_float":
        yield repr(float(held[kind]))
    elif kind in ("boolean", "number_integer", "number_unsigned"):
        yield str(held[kind])
    else:
        yield f"<{kind}>"


def json_text(value):
    """A nlohmann::json as JSON, or the beginning of it."""
    text = ""
    for piece in json_pieces(value):
        text += piece
        if len(text) > LONGEST_JSON:
            return text[:LONGEST_JSON] + "..."
    return text


def iso_text(timestamp):
    """A Timestamp as ISO 8601 text; as a number where Python has no year for it."""
    microseconds = int(timestamp["__d"]["__r"])
    if microseconds == 0:
        return "unknown"
    try:
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} us since 1970"
    return time.isoformat(timespec="microseconds") + "Z"


class SyncRecordPrinter:
    """What tells a record and its state apart from others; of the rest what is there."""

    def __init__(self, record):
        self.record = record

    def to_string(self):
        return "SyncRecord"

    def children(self):
        for name in ("id", "status", "version"):
            yield name, self.record[name]
        yield "updated_at", iso_text(self.record["updated_at"])
        yield "data", self.data()
        if any(children_of(self.record["tags"]["tags_"])):
            yield "tags", self.record["tags"]
        if int(self.record["revision"]["_M_string_length"]):
            yield "revision", self.record["revision"]
        unknown = pointed_to(self.record["unknown"]["members_"])
        if unknown is not None:
            yield "unknown", json_text(unknown)

    def data(self):
        """The app's own type as GDB shows it, JSON as text."""
        data = self.record["data"]
        is_json = str(data.type.strip_typedefs()).startswith("nlohmann::")
        return json_text(data) if is_json else data


class TagSetPrinter:
    """The tags, in their order."""

    def __init__(self, tags):
        self.tags = tags["tags_"]

    def to_string(self):
        return "TagSet"

    def display_hint(self):
        return "array"

    def children(self):
        for place, tag in enumerate(children_of(self.tags)):
            yield f"[{place}]", tag


class SyncErrorPrinter:
    """What went wrong, with which record, and when."""

    def __init__(self, error):
        self.error = error

    def to_string(self):
        return "SyncError"

    def children(self):
        for name in ("record_id", "message"):
            yield name, self.error[name]
        yield "timestamp", iso_text(self.error["timestamp"])


class EntryPrinter:
    """How a record stands to the remote, and each state of it that is not the same."""

    def __init__(self, entry):
        self.entry = entry
        self.is_clean = int(entry["local"]["_M_ptr"]) == int(entry["base"]["_M_ptr"])

    def to_string(self):
        if bool(self.entry["conflicted"]):
            return "conflicted"
        return "clean" if self.is_clean else "dirty"

    def children(self):
        yield "local", pointed_to(self.entry["local"])
        base = pointed_to(self.entry["base"])
        if base is not None and not self.is_clean:
            yield "base", base
        extras = boxed(self.entry["extras"])
        if extras is None:
            return
        theirs = pointed_to(extras["theirs"])
        if theirs is not None:
            yield "theirs", theirs
        for number, sent in enumerate(children_of(extras["sent"])):
            record = pointed_to(sent["record"])
            if record is not None:
                yield f"sent[{number}]", record
        retry = boxed(extras["retry"])
        if retry is not None:
            yield "retry", retry


class ConflictResolverPrinter:
    """Who decides."""

    def __init__(self, resolver):
        self.resolver = resolver

    def to_string(self):
        return f"ConflictResolver, {str(self.resolver['strategy_']).rsplit('::', 1)[-1]}"


class LocalStorePrinter:
    """How much a store holds, how much of it waits, and its entries, tombstones among them."""

    def __init__(self, store):
        self.table = store["memory_"]["table_"]

    def to_string(self):
        statistics = self.table["statistics_"]
        total = int(statistics["total"])
        dirty = self.table["dirty_"]["size_"]
        return (
            f"LocalStore of {total} record{'' if total == 1 else 's'}, "
            f"{int(dirty)} dirty, {int(statistics['conflicted'])} conflicted"
        )

    def children(self):
        for block in children_of(self.table["slots_"]["blocks_"]):
            for slot in children_of(block):
                entry = pointed_to(slot["entry"])
                yield text_of(pointed_to(entry["local"])["id"]), entry


class SyncEnginePrinter:
    """Whether it syncs, what came of the last sync, and the store."""

    def __init__(self, engine):
        self.engine = engine
        self.status = pointed_to(engine["status_"])

    def to_string(self):
        return "SyncEngine, syncing" if bool(self.status["is_running"]) else "SyncEngine"

    def children(self):
        yield "last_result", self.status["last_result"]
        yield "store", self.engine["store_"].referenced_value()


printers = gdb.printing.RegexpCollectionPrettyPrinter("sync_engine")
printers.add_printer("SyncRecord", "^sync_engine::SyncRecord<.*>$", SyncRecordPrinter)
printers.add_printer("TagSet", "^sync_engine::TagSet$", TagSetPrinter)
printers.add_printer("SyncError", "^sync_engine::SyncError$", SyncErrorPrinter)
printers.add_printer("Entry", "^sync_engine::Entry<.*>$", EntryPrinter)
printers.add_printer(
    "ConflictResolver", "^sync_engine::ConflictResolver<.*>$", ConflictResolverPrinter
)
printers.add_printer("LocalStore", "^sync_engine::LocalStore<.*>$", LocalStorePrinter)
printers.add_printer("SyncEngine", "^sync_engine::SyncEngine<.*>$", SyncEnginePrinter)
gdb.printing.register_pretty_printer(gdb.current_objfile(), printers, replace=True)

// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/record_text.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/utf8.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/entry_json.hpp>
#include <sync_engine/store/sqlite/database.hpp>
#include <sync_engine/store/sqlite/rows.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <string>
#include <string_view>

namespace sync_engine::sqlite {

/// Table `sent`: the states of records that were sent and not answered yet.
///
/// Each is written before it is sent, and forgotten when it is answered. The rows of the records
/// are long and lie far apart; these lie together, and sending writes no others.
class SentRows {
public:
    explicit SentRows(Database& database)
        : insert_(database.prepare("INSERT INTO sent VALUES (?1, ?2, ?3, ?4, ?5, ?6)")),
          erase_(database.prepare("DELETE FROM sent WHERE id = ?1")),
          read_(database.prepare("SELECT operation_id, sequence, attempts, record FROM sent "
                                 "WHERE id = ?1 ORDER BY place")) {}

    /// Writes what was sent of an entry that has no rows here.
    template <class Data>
    void insert(const Entry<Data>& entry) {
        std::int64_t place = 0;
        for (const Sent<Data>& sent : entry.sent()) {
            std::string record;
            const Statement::Reset at_end{insert_};
            insert_.bind(1, entry.local->id)
                .bind(2, place++)
                .bind(3, sent.operation_id)
                .bind(4, as_signed(sent.sequence))
                .bind(5, std::int64_t{sent.attempts});
            if (sent.record != entry.local) {  // mostly it is the row of the record itself
                append_json(record, *sent.record);
                insert_.bind(6, record);
            }
            insert_.step();
        }
    }

    void erase(std::string_view id) { erase_.bind(1, id).run(); }

    /// Gives an entry what was sent of it. Throws FormatError, which names the record.
    template <class Data>
    void read(Entry<Data>& entry, const Revise& revise = {}) {
        const Statement::Reset at_end{read_.bind(1, entry.local->id)};
        while (read_.step()) {
            try {
                entry.edit_extras().sent.push_back(sent_of(entry.local, revise));
            } catch (const SqliteError&) {
                throw;
            } catch (const std::exception& error) {
                throw cannot_be_read(detail::named(entry.local->id),
                                     std::string{"what was sent of it: "} + error.what());
            }
        }
    }

private:
    template <class Data>
    [[nodiscard]] Sent<Data> sent_of(const RecordPtr<Data>& local, const Revise& revise) const {
        const auto attempts = as_count(read_.integer(2));
        if (attempts > std::numeric_limits<unsigned>::max()) {
            throw FormatError("column \"attempts\" does not hold a count");
        }
        Sent<Data> sent{.operation_id = std::string{read_.text(0)},
                        .sequence = as_count(read_.integer(1)),
                        .record = local,
                        .attempts = static_cast<unsigned>(attempts)};
        if (!is_utf8(sent.operation_id)) {
            throw FormatError("column \"operation_id\" is not well-formed UTF-8");
        }
        if (!read_.is_null(3)) {
            nlohmann::json json = parse_json(read_.text(3));
            if (revise) json = revised(json, revise);
            sent.record = detail::read_state_of<Data>(local->id, json);
        }
        return sent;
    }

    Statement insert_;
    Statement erase_;
    Statement read_;
};

}  // namespace sync_engine::sqlite

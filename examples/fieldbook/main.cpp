// SPDX-License-Identifier: MIT

// A field book: records in one SQLite file that are read and edited anywhere, and synced with a
// CouchDB server when there is one. `fieldbook --help` says the rest.

#include <sync_engine.hpp>

#include "address.hpp"
#include "book.hpp"
#include "decide_commands.hpp"
#include "edit_commands.hpp"
#include "exit_code.hpp"
#include "lines.hpp"
#include "path.hpp"
#include "sync_commands.hpp"
#include "terminal.hpp"
#include "view_commands.hpp"
#include "watch_command.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace fieldbook;

constexpr const char* footer = R"(
Examples:
  fieldbook import trees.jsonl --id id           begin a book with the records of a file
  fieldbook set T-003 height_m=15.6 place.row=4  edit a record, or make it
  fieldbook tag T-003 +flowering -todo
  fieldbook pending                              what the next sync will send
  fieldbook sync https://ada@example.org/trees
  fieldbook why T-003                            base, ours, theirs, attempts, next try
  fieldbook --json list | jq '.[].id'            every command speaks JSON as well

A PATH is a name, names with dots (place.row), or a JSON pointer (/place/row); the items of a list
are numbers, and - is a new one. A VALUE is JSON if it can be read as JSON, else text.

Exit codes:
  0    done
  1    there is no such record, conflict or refused change
  2    the command line cannot be understood
  3    a file or a value cannot be read or written
  4    the book cannot be opened or written
  5    the sync did not go through; every edit is kept
  6    the sync went through, and conflicts or refused changes wait for you
  130  a sync was stopped by Ctrl-C at a safe point; a watch ends with 0 then

Environment:
  FIELDBOOK           the book, where --book does not name one
  FIELDBOOK_URL       the server, where sync and watch do not name one
  FIELDBOOK_PASSWORD  the password, where the URL has a user and none
  NO_COLOR            no colours, also on a terminal)";

/// What stands on the command line.
struct Arguments {
    std::string book = "fieldbook.db";
    bool is_json = false;

    std::string id{};
    std::vector<std::string> words{};
    std::string file{};
    std::string id_path{};
    std::string tag{};
    Decision decision{};
    std::string url{};
    std::string strategy = "merge";
    bool create = false;
};

using Command = std::function<ExitCode(const Output&)>;

/// The command line, and the command that it comes to.
class CommandLine {
public:
    CommandLine() {
        app_.set_help_flag("--help", "Show this, or with a command what it takes");
        app_.footer(footer);
        app_.require_subcommand(0, 1);
        add_common(app_);
        add_views();
        add_edits();
        add_decisions();
        add_syncs();
        app_.allow_extras();  // so that they are named in our own words
    }

    /// The exit code if there is nothing left to do.
    std::optional<ExitCode> parse(std::vector<std::string> words) {
        // No option has a short name, because `tag ID -heritage` removes a tag.
        std::replace(words.begin(), words.end(), std::string{"-h"}, std::string{"--help"});
        std::reverse(words.begin(), words.end());  // CLI11 takes them from the end
        try {
            app_.parse(std::move(words));
        } catch (const CLI::Success& asked) {
            app_.exit(asked);
            return ExitCode::done;
        } catch (const CLI::Error& error) {
            refuse(error.what());
        }
        const auto unknown = app_.remaining();
        if (!unknown.empty() && !command_) refuse(quoted(unknown.front()) + " is no command");
        if (!unknown.empty()) refuse(quoted(unknown.front()) + " is not understood");
        if (!command_) refuse("a command is missing, such as list, set or sync");
        return std::nullopt;
    }

    [[nodiscard]] bool is_json() const { return arguments_.is_json; }

    ExitCode run(const Output& out) const { return command_(out); }

private:
    [[noreturn]] void refuse(const std::string& reason) const {
        const auto commands = app_.get_subcommands();
        throw Failure(ExitCode::usage,
                      reason + "; `fieldbook " +
                          (commands.empty() ? "" : commands.front()->get_name() + ' ') +
                          "--help` says more");
    }

    void add_common(CLI::App& app) {
        app.add_option("--book", arguments_.book, "The file of the book")
            ->envname("FIELDBOOK")
            ->capture_default_str()
            ->type_name("FILE");
        app.add_flag("--json", arguments_.is_json, "Write JSON, for scripts");
    }

    CLI::App* add(const std::string& name, const std::string& what, Command command) {
        CLI::App* added = app_.add_subcommand(name, what);
        added->fallthrough();
        added->footer("");
        added->set_help_flag("--help", "Show this");
        added->callback([this, command = std::move(command)] { command_ = command; });
        return added;
    }

    CLI::Option* add_id(CLI::App* command) {
        return command->add_option("ID", arguments_.id, "The record")->required();
    }

    [[nodiscard]] Book open(IfMissing if_missing = IfMissing::refuse) const {
        return Book{arguments_.book, if_missing};
    }

    void add_views() {
        const auto& given = arguments_;
        add("list", "The records, and how each stands", [&](const Output& out) {
            return list(open(), given.tag, out);
        })->add_option("--tag", arguments_.tag, "Only those with this tag");
        add_id(add("show", "All of a record",
                   [&](const Output& out) { return show(open(), given.id, out); }));
        add("status", "What waits, and when it was last synced",
            [&](const Output& out) { return status(open(), given.book, out); });
        add("pending", "The changes that the server has not confirmed",
            [&](const Output& out) { return pending(open(), out); });
        add_id(add("why", "How a record stands, and why: base, here, theirs, attempts, next try",
                   [&](const Output& out) { return why(open(), given.id, out); }));
        add("export", "The records as JSON lines, which import takes", [&](const Output& out) {
            return export_records(open(), given.file, out);
        })->add_option("FILE", arguments_.file, "Where to; otherwise to standard output");
    }

    void add_edits() {
        const auto& given = arguments_;
        CLI::App* import = add("import", "Take records from JSON lines, all of them or none",
                               [&](const Output& out) { return run_import(out); });
        import->add_option("FILE", arguments_.file, "One object a line; - is standard input")
            ->required();
        import->add_option("--id", arguments_.id_path,
                           "The PATH of the id in each object; without it, FILE is an export");
        CLI::App* setting = add("set", "Edit a record, or make it", [&](const Output& out) {
            Book book = open(IfMissing::make);
            return set(book, given.id, given.words, out);
        });
        add_id(setting);
        setting->add_option("PATH=VALUE", arguments_.words, "What to set")->required();
        CLI::App* unsetting = add("unset", "Remove parts of a record", [&](const Output& out) {
            Book book = open();
            return unset(book, given.id, given.words, out);
        });
        add_id(unsetting);
        unsetting->add_option("PATH", arguments_.words, "What to remove")->required();
        CLI::App* tagging = add("tag", "Add tags (+TAG) and remove tags (-TAG)",
                                [&](const Output& out) { return run_tag(out); });
        add_id(tagging);
        tagging->allow_extras();  // an option of CLI11 cannot take a word like -TAG
        tagging->fallthrough(false);
        add_common(*tagging);
        add("delete", "Delete records, all of them or none",
            [&](const Output& out) {
                Book book = open();
                return remove(book, given.words, out);
            })
            ->add_option("ID", arguments_.words, "The records")
            ->required();
    }

    void add_decisions() {
        const auto& given = arguments_;
        add("conflicts", "The records that were changed on both sides and wait for you",
            [&](const Output& out) { return conflicts(open(), out); });
        CLI::App* resolving = add("resolve", "Decide a conflict", [&](const Output& out) {
            Book book = open();
            return resolve(book, given.id, given.decision, out);
        });
        add_id(resolving);
        CLI::Option_group* side = resolving->add_option_group("Winner");
        side->add_flag("--ours", arguments_.decision.ours, "The record as it is here");
        side->add_flag("--theirs", arguments_.decision.theirs, "The record as the server has it");
        side->add_option("--merged", arguments_.decision.merged,
                         "Something new: JSON, or a file with JSON in it");
        side->require_option(1);
        add("dead-letters", "The changes that were refused or given up",
            [&](const Output& out) { return dead_letters(open(), out); });
        add("retry", "Try refused changes again at the next sync", [&](const Output& out) {
            Book book = open();
            return retry(book, given.id, out);
        })->add_option("ID", arguments_.id, "One of them; otherwise all");
        add_id(add("discard", "Give up the unsent change of a record", [&](const Output& out) {
            Book book = open();
            return discard(book, given.id, out);
        }));
    }

    void add_syncs() {
        add_url(add("sync", "Receive, send, and end", [&](const Output& out) {
            const SyncRequest request = sync_request();
            Book book{arguments_.book, IfMissing::make, request.resolver};
            return sync(book, request, out);
        }));
        add_url(
            add("watch", "Sync whenever there is a reason, until Ctrl-C", [&](const Output& out) {
                const SyncRequest request = sync_request();
                Book book{arguments_.book, IfMissing::make, request.resolver};
                return Watch{book, request, out}.run();
            }));
    }

    void add_url(CLI::App* command) {
        command
            ->add_option("URL", arguments_.url, "http[s]://[user[:password]@]host[:port]/database")
            ->envname("FIELDBOOK_URL")
            ->required();
        command
            ->add_option("--strategy", arguments_.strategy,
                         "Where both sides changed a record: merge (field by field), latest, ours, "
                         "theirs, or manual (you decide)")
            ->check(CLI::IsMember(strategies()))
            ->capture_default_str();
        command->add_flag("--create", arguments_.create, "Make the database unless it exists");
    }

    static const std::map<std::string, sync_engine::ConflictStrategy>& strategies() {
        using sync_engine::ConflictStrategy;
        static const std::map<std::string, ConflictStrategy> names{
            {"merge", ConflictStrategy::merge},
            {"latest", ConflictStrategy::latest_wins},
            {"ours", ConflictStrategy::local_wins},
            {"theirs", ConflictStrategy::remote_wins},
            {"manual", ConflictStrategy::manual}};
        return names;
    }

    [[nodiscard]] SyncRequest sync_request() const {
        return {.address = Address::parse(arguments_.url),
                .strategy = arguments_.strategy,
                .resolver = sync_engine::ConflictResolver<>{strategies().at(arguments_.strategy)},
                .create = arguments_.create};
    }

    /// The file first: nobody waits for a book that is held while somebody types.
    [[nodiscard]] ExitCode run_import(const Output& out) const {
        std::optional<Path> id_path;
        if (!arguments_.id_path.empty()) id_path = Path::parse(arguments_.id_path);
        auto records =
            LineReader{arguments_.file, std::move(id_path)}.read(read_all(arguments_.file));
        Book book = open(IfMissing::make);
        return import_records(book, arguments_.file, std::move(records), out);
    }

    [[nodiscard]] ExitCode run_tag(const Output& out) const {
        Book book = open();
        return tag(book, arguments_.id, app_.get_subcommands().front()->remaining(), out);
    }

    Arguments arguments_;
    CLI::App app_{
        "A field book: records that are edited anywhere and synced when there is a network",
        "fieldbook"};
    Command command_;
};

}  // namespace

int main(int argc, char** argv) {
    bool is_json = false;
    const auto fail = [&](ExitCode code, const char* message) {
        Output{is_json}.error(code, message);
        return static_cast<int>(code);
    };
    try {
        const std::vector<std::string> words(argv + 1, argv + argc);
        is_json = std::find(words.begin(), words.end(), "--json") != words.end();
        CommandLine line;
        const auto answered = line.parse(words);
        const Output out{line.is_json()};
        const ExitCode code = answered ? *answered : line.run(out);
        out.finish();
        return static_cast<int>(code);
    } catch (const Failure& failure) {
        return fail(failure.code, failure.what());
    } catch (const sync_engine::StorageError& error) {
        return fail(ExitCode::book, error.what());
    } catch (const sync_engine::RemoteError& error) {
        return fail(ExitCode::server, error.what());
    } catch (const std::exception& error) {
        return fail(ExitCode::input, error.what());
    }
}

// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/utf8.hpp>
#include <sync_engine/remote/curl/answer.hpp>
#include <sync_engine/remote/curl/url.hpp>
#include <sync_engine/remote/http_transport.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sync_engine {

/// How `CurlTransport` connects. A proxy comes from the environment, as it does for other programs:
/// http_proxy, https_proxy, no_proxy.
struct CurlOptions {
    /// A PEM file with the authorities to trust; empty: those of the system.
    std::string ca_file{};
    /// Whether a server has to prove who it is. False is for a test on your own desk: anybody in
    /// between can read and change everything.
    bool verify_tls = true;
    /// How long the name look-up, the connection and the TLS handshake may take together; the
    /// deadline of a request ends them too. Shorter than that deadline, so that a server that is
    /// off does not cost a whole long poll.
    std::chrono::milliseconds connect_timeout = std::chrono::seconds{15};
    /// The header User-Agent of each request.
    std::string user_agent = "sync_engine";
};

namespace curl {

/// The lines that go above a request's body.
class HeaderLines {
public:
    /// Throws `HttpFailure`, unusable, if one would be more than one header.
    explicit HeaderLines(const HttpHeaders& headers) {
        // libcurl would wait a second for a server's leave to send a large body.
        add("Expect:");
        for (const auto& [name, value] : headers) {
            if (!is_token(name) || !is_value(value)) {
                throw HttpFailure(HttpFailureKind::unusable,
                                  "a header has a name or a value that HTTP cannot carry");
            }
            // A name and a colon alone would tell libcurl to leave that header out.
            const bool is_empty = value.find_first_not_of(" \t") == std::string::npos;
            add(is_empty ? name + ";" : name + ": " + value);
        }
    }

    /// For CURLOPT_HTTPHEADER; has to live as long as the transfer.
    [[nodiscard]] curl_slist* list() const noexcept { return list_.get(); }

    /// Whether it is a method or a header's name.
    [[nodiscard]] static bool is_token(std::string_view text) noexcept {
        constexpr std::string_view letters =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
        return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
    }
    /// Whether it stays on its line.
    [[nodiscard]] static bool is_value(std::string_view text) noexcept {
        return text.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos;
    }

private:
    struct Cleanup {
        void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
    };

    void add(const std::string& line) {
        curl_slist* longer = curl_slist_append(list_.get(), line.c_str());
        if (longer == nullptr) throw std::bad_alloc();
        (void)list_.release();  // it is the front of the longer one
        list_.reset(longer);
    }

    std::unique_ptr<curl_slist, Cleanup> list_{};
};

/// Sends one request at a time, and keeps what it connected to for the next one.
class Connection {
public:
    Connection() : multi_((start_libcurl(), curl_multi_init())), easy_(curl_easy_init()) {
        if (!multi_ || !easy_) throw std::bad_alloc();
        // A libcurl can be built without the wake-up: then a stop is looked for now and then.
        if (curl_multi_wakeup(multi_.get()) != CURLM_OK) longest_poll_ = 250;
    }

    /// Does what `HttpTransport::send` promises.
    [[nodiscard]] HttpResponse send(const HttpRequest& request, const CurlOptions& options) {
        const Url url{request.url};
        const HeaderLines headers{request.headers};
        refuse_unusable(request, options);
        if (request.deadline <= std::chrono::milliseconds{0}) {
            throw HttpFailure(HttpFailureKind::not_sent, url.shown() + " was given no time at all");
        }
        Answer answer{request.max_response_bytes};
        std::string_view body = request.body;
        std::array<char, CURL_ERROR_SIZE> reason{};

        const Reset at_end{easy_.get()};
        set_up(options);
        set(CURLOPT_CURLU, url.handle());
        set(CURLOPT_HTTPHEADER, headers.list());
        set(CURLOPT_TIMEOUT_MS, milliseconds(request.deadline));
        set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options.connect_timeout));
        set(CURLOPT_HEADERFUNCTION, &Answer::take_header);
        set(CURLOPT_HEADERDATA, static_cast<void*>(&answer));
        set(CURLOPT_WRITEFUNCTION, &Answer::take_body);
        set(CURLOPT_WRITEDATA, static_cast<void*>(&answer));
        set(CURLOPT_ERRORBUFFER, reason.data());
        set_method(request, body);

        auto result = run(request.stop);
        if (answer.thrown()) std::rethrow_exception(answer.thrown());
        if (result == CURLE_OK && !answer.has_all_headers()) result = CURLE_GOT_NOTHING;
        if (result != CURLE_OK) {
            const auto kind = kind_of(result, answer);
            throw HttpFailure(kind, url.shown() + told(kind, result, reason.data(), request));
        }
        long status = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        answer.response().status = static_cast<int>(status);
        return std::move(answer.response());
    }

private:
    /// A transfer that was stopped; CURLE_OK and failures are libcurl's.
    using Result = std::optional<CURLcode>;

    // Two, because both handles are void to C++.
    struct CleanUpMulti {
        void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
    };
    struct CleanUpEasy {
        void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
    };

    /// Nothing that a request has lent outlives it; what is connected stays.
    struct Reset {
        CURL* easy;
        explicit Reset(CURL* handle) noexcept : easy(handle) {}
        Reset(const Reset&) = delete;
        Reset& operator=(const Reset&) = delete;
        ~Reset() { curl_easy_reset(easy); }
    };

    /// Once in a process, whichever thread is first; older versions do not see to that themselves.
    static void start_libcurl() {
        static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
        if (started != CURLE_OK) throw Error("libcurl does not start");
    }

    static void refuse_unusable(const HttpRequest& request, const CurlOptions& options) {
        const auto refuse = [](const char* message) {
            throw HttpFailure(HttpFailureKind::unusable, message);
        };
        if (!HeaderLines::is_token(request.method)) refuse("this is no method of HTTP");
        if (request.method == "HEAD" && !request.body.empty()) refuse("HEAD has no body");
        if (!HeaderLines::is_value(options.user_agent)) refuse("the user agent is no header");
    }

    /// libcurl reads zero as its default, and refuses what is more than an int.
    static long milliseconds(std::chrono::milliseconds time) noexcept {
        constexpr std::chrono::milliseconds most{std::numeric_limits<int>::max()};
        const std::chrono::duration<long, std::milli> clamped =
            std::clamp(time, std::chrono::milliseconds{1}, most);
        return clamped.count();
    }

    template <class Value>
    void set(CURLoption option, Value value) {
        // It is a variadic function of C: another type would be read as rubbish.
        static_assert(std::is_same_v<Value, long> || std::is_same_v<Value, curl_off_t> ||
                      std::is_pointer_v<Value>);
        const auto result = curl_easy_setopt(easy_.get(), option, value);
        if (result != CURLE_OK) {
            throw HttpFailure(HttpFailureKind::unusable,
                              std::string{"libcurl cannot do this: "} + curl_easy_strerror(result));
        }
    }

    /// What is the same for each request.
    void set_up(const CurlOptions& options) {
#if LIBCURL_VERSION_NUM >= 0x075500
        set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
        set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700 && !defined(_WIN32)
        // Who stops does not wait for a name look-up that hangs: its thread ends by itself.
        curl_easy_setopt(easy_.get(), CURLOPT_QUICK_EXIT, 1L);
#endif
        // A connection carries one request at a time, which is where HTTP/2 has nothing to give.
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        set(CURLOPT_FOLLOWLOCATION, 0L);
        set(CURLOPT_PATH_AS_IS, 1L);
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_TCP_NODELAY, 1L);
        set(CURLOPT_ACCEPT_ENCODING, "");  // all that libcurl can decompress
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        set(CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
        set(CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
        if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
        set(CURLOPT_USERAGENT, options.user_agent.c_str());
    }

    void set_method(const HttpRequest& request, std::string_view& body) {
        if (request.method == "HEAD") {
            set(CURLOPT_NOBODY, 1L);
            return;
        }
        const bool says_length = !body.empty() || request.method == "POST" ||
                                 request.method == "PUT" || request.method == "PATCH";
        if (says_length) {
            // Read by a callback that cannot rewind: libcurl repeats a request by itself when a
            // connection that it used before breaks without an answer, and must not do that with
            // one that the server may have seen.
            set(CURLOPT_UPLOAD, 1L);
            set(CURLOPT_READFUNCTION, &Connection::give_body);
            set(CURLOPT_READDATA, static_cast<void*>(&body));
            set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(body.size()));
        }
        set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }

    static std::size_t give_body(char* place, std::size_t size, std::size_t count,
                                 void* body) noexcept {
        auto& rest = *static_cast<std::string_view*>(body);
        const auto length = rest.copy(place, size * count);
        rest.remove_prefix(length);
        return length;
    }

    Result run(const StopToken& stop) {
        CURLM* const multi = multi_.get();
        const StopCallback wake{stop, [multi] { curl_multi_wakeup(multi); }};
        struct Transfer {
            CURLM* multi;
            CURL* easy;
            ~Transfer() { curl_multi_remove_handle(multi, easy); }
        };
        check(curl_multi_add_handle(multi, easy_.get()));
        const Transfer until_end{multi, easy_.get()};

        while (!stop.stop_requested()) {
            int running = 0;
            check(curl_multi_perform(multi, &running));
            if (running == 0) return result();
            check(curl_multi_poll(multi, nullptr, 0, longest_poll_, nullptr));
        }
        return std::nullopt;
    }

    [[nodiscard]] CURLcode result() {
        int left = 0;
        const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
        if (message == nullptr) throw Error("libcurl ends a transfer without a result");
        return message->data.result;
    }

    /// A multi handle fails for lack of memory or by a defect: nothing that a network does.
    static void check(CURLMcode code) {
        if (code != CURLM_OK) throw Error(std::string{"libcurl: "} + curl_multi_strerror(code));
    }

    /// Whether the server can have seen something of the request.
    [[nodiscard]] bool is_sent() const noexcept {
        curl_off_t connected_after = 0;  // microseconds, TLS included; zero if it never was
        curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_after);
        return connected_after > 0;
    }

    [[nodiscard]] HttpFailureKind kind_of(Result result, const Answer& answer) const noexcept {
        if (!result) return HttpFailureKind::stopped;
        if (answer.is_too_large()) return HttpFailureKind::too_large;
        if (!is_sent()) {
            const bool is_unusable =
                result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_URL_MALFORMAT;
            return is_unusable ? HttpFailureKind::unusable : HttpFailureKind::not_sent;
        }
        if (result == CURLE_OPERATION_TIMEDOUT) return HttpFailureKind::timed_out;
        // A single header line without end: libcurl takes 100 kB and then says this.
        if (result == CURLE_OUT_OF_MEMORY) return HttpFailureKind::too_large;
#if LIBCURL_VERSION_NUM >= 0x080600
        if (result == CURLE_TOO_LARGE) return HttpFailureKind::too_large;
#endif
        return HttpFailureKind::interrupted;
    }

    /// The rest of a message that begins with the URL.
    static std::string told(HttpFailureKind kind, Result result, const char* reason,
                            const HttpRequest& request) {
        switch (kind) {
            case HttpFailureKind::stopped:
                return " was not waited for: somebody asked to stop";
            case HttpFailureKind::too_large:
                return " sends more than the " + std::to_string(request.max_response_bytes) +
                       " bytes that are allowed, or headers without end";
            case HttpFailureKind::timed_out:
                return " has not answered whole within " +
                       std::to_string(request.deadline.count()) + " ms";
            case HttpFailureKind::not_sent:
                return " cannot be reached: " + cause(*result, reason);
            case HttpFailureKind::unusable:
                return " cannot be asked: " + cause(*result, reason);
            case HttpFailureKind::interrupted:
                break;
        }
        return " did not answer whole: " + cause(*result, reason);
    }

    /// libcurl's own words, and its details only where they tell of the way to the server: those of
    /// other failures may repeat what was sent, or the login of a proxy.
    static std::string cause(CURLcode code, const char* reason) {
        const bool is_harmless =
            code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
            code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
            code == CURLE_SSL_CACERT_BADFILE;
        if (!is_harmless || *reason == '\0') return curl_easy_strerror(code);
        return detail::repaired_utf8(reason);
    }

    std::unique_ptr<CURLM, CleanUpMulti> multi_;  // first, so that it is cleaned up last
    std::unique_ptr<CURL, CleanUpEasy> easy_;
    // Traffic, libcurl's timers and stops end a poll; nothing else has to.
    int longest_poll_ = 60'000;  // milliseconds
};

}  // namespace curl

}  // namespace sync_engine

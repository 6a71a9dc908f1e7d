// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/http_transport.hpp>

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace sync_engine::curl {

/// Takes an answer as libcurl brings it, and never more of it than was allowed.
class Answer {
public:
    /// What all header lines of one answer may weigh: far above what servers and proxies send
    /// (8 to 64 kB), below where newer libcurls give up by themselves (300 kB).
    static constexpr std::size_t max_header_bytes = std::size_t{256} * 1024;

    explicit Answer(std::size_t max_body_bytes) noexcept : max_body_bytes_(max_body_bytes) {}

    /// The headers and the body so far.
    [[nodiscard]] HttpResponse& response() noexcept { return response_; }
    /// True if the headers have ended. A connection that ends before is no failure to libcurl.
    [[nodiscard]] bool has_all_headers() const noexcept { return has_all_headers_; }
    /// True if the rest was refused because the answer has grown too large.
    [[nodiscard]] bool is_too_large() const noexcept { return is_too_large_; }
    /// What was thrown while taking it, mostly for lack of memory; null if nothing was.
    [[nodiscard]] const std::exception_ptr& thrown() const noexcept { return thrown_; }

    /// CURLOPT_HEADERFUNCTION: one line.
    static std::size_t take_header(char* bytes, std::size_t size, std::size_t count,
                                   void* answer) noexcept {
        return static_cast<Answer*>(answer)->take(&Answer::add_line, {bytes, size * count});
    }
    /// CURLOPT_WRITEFUNCTION: some of the body, decompressed.
    static std::size_t take_body(char* bytes, std::size_t size, std::size_t count,
                                 void* answer) noexcept {
        return static_cast<Answer*>(answer)->take(&Answer::add_body, {bytes, size * count});
    }

private:
    /// What libcurl is told: everything was taken, or nothing, which ends the transfer. No
    /// exception may fly through C.
    std::size_t take(bool (Answer::*add)(std::string_view), std::string_view bytes) noexcept {
        try {
            if ((this->*add)(bytes)) return bytes.size();
            is_too_large_ = true;
        } catch (...) {
            thrown_ = std::current_exception();
        }
        return bytes.empty() ? 1 : 0;  // whatever is not the number of bytes
    }

    bool add_body(std::string_view bytes) {
        if (bytes.size() > max_body_bytes_ - response_.body.size()) return false;
        response_.body += bytes;
        return true;
    }

    bool add_line(std::string_view line) {
        // Those of interim answers count too: a server can send them without end.
        if (line.size() > max_header_bytes - header_bytes_) return false;
        header_bytes_ += line.size();
        auto& headers = response_.headers;
        if (line == "\r\n" || line == "\n") {
            has_all_headers_ = true;
        } else if (line.substr(0, 5) == "HTTP/") {
            headers.clear();  // what came before belonged to an interim answer
            has_all_headers_ = false;
        } else if (is_blank(line.substr(0, 1)) && !headers.empty()) {
            const auto more = trimmed(line);  // the old way to break a long value
            if (!more.empty()) (headers.back().second += ' ') += more;
        } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
            headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
        }
        return true;
    }

    static bool is_blank(std::string_view letter) noexcept {
        return letter == " " || letter == "\t";
    }

    static std::string_view trimmed(std::string_view text) noexcept {
        constexpr std::string_view blanks = " \t\r\n";
        const auto first = text.find_first_not_of(blanks);
        if (first == std::string_view::npos) return {};
        return text.substr(first, text.find_last_not_of(blanks) - first + 1);
    }

    HttpResponse response_{};
    std::size_t max_body_bytes_;
    std::size_t header_bytes_ = 0;
    bool has_all_headers_ = false;
    bool is_too_large_ = false;
    std::exception_ptr thrown_{};
};

}  // namespace sync_engine::curl

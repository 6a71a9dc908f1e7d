// SPDX-License-Identifier: MIT
#pragma once

// Catch2 in either of its two major versions, and the few words that the tests add to it.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
#define SYNC_ENGINE_CATCH_VERSION 3
#else
#include <catch2/catch.hpp>
#define SYNC_ENGINE_CATCH_VERSION 2
#endif

#include <string>

namespace sync_engine::test {

/// Matches text that holds `part`: CHECK_THAT(text, contains("part")).
inline auto contains(const std::string& part) {
#if SYNC_ENGINE_CATCH_VERSION == 3
    return Catch::Matchers::ContainsSubstring(part);
#else
    return Catch::Matchers::Contains(part);
#endif
}

/// What the `Exception` thrown by `call` says; anything else that is thrown fails the test.
template <class Exception, class Call>
std::string message_of(const Call& call) {
    try {
        call();
    } catch (const Exception& error) {
        return error.what();
    }
    return "(nothing was thrown)";
}

}  // namespace sync_engine::test

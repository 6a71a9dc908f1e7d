// SPDX-License-Identifier: MIT

// Catch2 v3 brings a library with its own main; v2 makes it here.
#if !__has_include(<catch2/catch_test_macros.hpp>)
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

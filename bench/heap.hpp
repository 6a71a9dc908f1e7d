// SPDX-License-Identifier: MIT
#pragma once

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

/// The heap of a benchmark, counted while somebody asks for it: what `new` has given out, and how
/// often. For one translation unit of a program, which has to be single-threaded while it counts.
namespace sync_engine::bench {

struct Heap {
    bool is_counting = false;
    std::size_t allocations = 0;
    std::size_t bytes = 0;  ///< with what malloc rounds them up to, without its own eight
    std::size_t peak = 0;
};
inline Heap heap{};

}  // namespace sync_engine::bench

void* operator new(std::size_t size) {
    void* memory = std::malloc(size);
    if (memory == nullptr) throw std::bad_alloc{};
    auto& heap = sync_engine::bench::heap;
    if (heap.is_counting) {
        ++heap.allocations;
        heap.bytes += malloc_usable_size(memory);
        if (heap.bytes > heap.peak) heap.peak = heap.bytes;
    }
    return memory;
}
void operator delete(void* memory) noexcept {
    auto& heap = sync_engine::bench::heap;
    if (heap.is_counting) heap.bytes -= malloc_usable_size(memory);
    std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
    operator delete(memory);
}

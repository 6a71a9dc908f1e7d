// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <new>
#include <stdexcept>

namespace sync_engine::test {

/// Memory that a process shares with the processes it makes.
template <class Page>
class SharedPage {
public:
    SharedPage()
        : page_(static_cast<Page*>(mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        if (page_ == MAP_FAILED) throw std::runtime_error("there is no memory to share");
        new (page_) Page{};
    }
    SharedPage(const SharedPage&) = delete;
    SharedPage& operator=(const SharedPage&) = delete;
    ~SharedPage() { munmap(page_, sizeof(Page)); }

    Page* operator->() const noexcept { return page_; }

private:
    Page* page_;
};

}  // namespace sync_engine::test

// Large pages of memory. A graph search jumps from vector to vector, and in pages of 4 KiB nearly every jump costs a walk
// through the page table; filling memory costs a fault for each page. Where the system has no pages of 2 MiB to give,
// nothing changes. Small blocks are left alone: the processor keeps track of their pages anyway.

#include "shim.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <vector>

using namespace shim;

namespace {

#if defined(__linux__) && defined(MADV_HUGEPAGE)
void advise(const void* data, size_t bytes, bool now) {
    const int collapse = 25; // MADV_COLLAPSE, which older headers lack
    const uintptr_t page = uintptr_t(2) << 20;
    const uintptr_t first = (uintptr_t(data) + page - 1) / page * page;
    const uintptr_t end = (uintptr_t(data) + bytes) / page * page;
    if (first + 8 * page <= end) {
        (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
        if (now) {
            (void)madvise(reinterpret_cast<void*>(first), end - first, collapse);
        }
    }
}
#else
void advise(const void*, size_t, bool) {}
#endif

/// Room for `more` elements, grown as a vector grows by itself, in pages that nothing was written to yet.
template <class T>
void reserve(faiss::MaybeOwnedVector<T>& elements, size_t more) {
    std::vector<T>& owned = elements.owned_data;
    const size_t needed = owned.size() + more;
    if (elements.is_owned && needed > owned.capacity()) {
        owned.reserve(owned.empty() ? needed : std::max(needed, 2 * owned.size()));
        elements.resize(owned.size()); // which learns where they are now
        advise(owned.data(), owned.capacity() * sizeof(T), false);
    }
}

} // namespace

void shim::use_huge_pages(const void* data, size_t bytes) {
    advise(data, bytes, true);
}

void shim::make_room(Index& index, idx_t rows) {
    if (auto codes = dynamic_cast<faiss::IndexFlatCodes*>(&index)) {
        reserve(codes->codes, rows * codes->code_size);
    }
}

void shim::make_room_for_links(IndexHNSW& index) {
    // 2m links on the lowest layer, and a little more than one m-th of the vectors with m links on each one above.
    const size_t lowest = index.hnsw.nb_neighbors(0);
    reserve(index.hnsw.neighbors, (index.storage->ntotal - index.ntotal) * (lowest + 2) * 21 / 20);
}

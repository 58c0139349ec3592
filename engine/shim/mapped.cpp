// Reading an index whose large parts stay in its file: they are mapped into memory, read-only. FAISS aborts the process
// over changes to such an index, so its caller allows none.

#include "shim.h"

#include <memory>
#include <mutex>

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/zerocopy_io.h>
#include <faiss/index_io.h>
#include <faiss/invlists/InvertedLists.h>
#include <faiss/invlists/InvertedListsIOHook.h>

#if defined(__linux__) || defined(__FreeBSD__)
#include <sys/mman.h>
#include <sys/stat.h>

using namespace faiss;
using namespace shim;

namespace {

/// A whole file in memory, read-only.
struct Mapping {
    uint8_t* first = nullptr;
    size_t size = 0;

    explicit Mapping(int descriptor) {
        struct stat status;
        FAISS_THROW_IF_NOT_MSG(fstat(descriptor, &status) == 0 && status.st_size > 0, "the file has nothing to map");
        void* const address = mmap(nullptr, status.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
        FAISS_THROW_IF_NOT_MSG(address != MAP_FAILED, "the file cannot be mapped into memory");
        first = static_cast<uint8_t*>(address);
        size = status.st_size;
    }

    Mapping(const Mapping&) = delete;

    ~Mapping() {
        munmap(first, size);
    }
};

/// An index, and the mapping that it reads from.
struct MappedIndex final : IndexIDMap {
    std::unique_ptr<const Mapping> mapping;

    MappedIndex(IndexIDMap& read, std::unique_ptr<const Mapping> mapping) : IndexIDMap(read), mapping(std::move(mapping)) {
        read.own_fields = false;
    }

    MappedIndex(const MappedIndex&) = delete;

    ~MappedIndex() override {
        if (own_fields) {
            delete index;
            own_fields = false;
        }
    }
};

template <class T>
void view(MaybeOwnedVector<T>& target, ZeroCopyIOReader& reader, size_t count) {
    void* first = nullptr;
    const size_t found = reader.get_data_view(&first, sizeof(T), count);
    FAISS_THROW_IF_NOT_MSG(found == count, "the file ends within its lists");
    target = MaybeOwnedVector<T>::create_view(first, count, nullptr);
}

/// FAISS's own mapped lists want a file of nothing but FAISS's, and start threads for each search; and its reading of
/// plain lists from a mapping makes room for all of them first. These are views and nothing else.
struct MappedLists final : InvertedListsIOHook {
    MappedLists() : InvertedListsIOHook("ilvd", "mapped lists") {}

    void write(const InvertedLists*, IOWriter*) const override {
        FAISS_THROW_MSG("mapped lists are written as plain ones");
    }

    InvertedLists* read(IOReader*, int) const override {
        FAISS_THROW_MSG("there are no files of mapped lists");
    }

    InvertedLists* read_ArrayInvertedLists(IOReader* f, int, size_t nlist, size_t code_size, const std::vector<size_t>& sizes)
            const override {
        auto reader = dynamic_cast<ZeroCopyIOReader*>(f);
        FAISS_THROW_IF_NOT(reader);
        auto lists = std::make_unique<ArrayInvertedLists>(nlist, code_size);
        for (size_t list = 0; list < nlist; list++) {
            if (sizes[list] > 0) {
                view(lists->codes[list], *reader, sizes[list] * code_size);
                view(lists->ids[list], *reader, sizes[list]);
            }
        }
        return lists.release();
    }
};

/// FAISS finds the hook by these: "skip the lists" and the upper half of "ilvd".
int flags() {
    static std::once_flag registered;
    std::call_once(registered, [] { InvertedListsIOHook::add_callback(new MappedLists()); });
    return IO_FLAG_SKIP_IVF_DATA | int('v') << 16 | int('d') << 24;
}

} // namespace

extern "C" {

/// Reads the index that starts at a place in an open file, which is not empty and keeps its bytes while the index lives.
int vinedb_faiss_map(int descriptor, size_t start, IndexIDMap** map) {
    return guarded([&] {
        auto mapping = std::make_unique<const Mapping>(descriptor);
        FAISS_THROW_IF_NOT_MSG(start < mapping->size, "the file has no index");
        ZeroCopyIOReader reader(mapping->first + start, mapping->size - start);
        std::unique_ptr<Index> index(read_index(&reader, flags()));
        auto read = dynamic_cast<IndexIDMap*>(index.get());
        FAISS_THROW_IF_NOT_MSG(read, "the index has no id map");
        *map = new MappedIndex(*read, std::move(mapping));
    });
}

} // extern "C"

#else

extern "C" int vinedb_faiss_map(int, size_t, shim::IndexIDMap**) {
    return shim::guarded([] { FAISS_THROW_MSG("files cannot be mapped on this system"); });
}

#endif

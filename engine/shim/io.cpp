// An index as bytes: in FAISS's own format, with an id map around it, or in that of vinedb's files, which is FAISS's with
// gaps: whatever is more than one number begins at a multiple of 64 bytes, so that a mapped file can be read in place. Every
// index that is read is checked (check.cpp) before anything else is done with it.
//
// Rows are numbered from 0 in all of our indexes, and one id map around everything tells their ids; FAISS also has indexes
// without ids, id maps that find rows too, and lists that keep ids themselves.

#include "kinds.h"
#include "shim.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/zerocopy_io.h>
#include <faiss/index_io.h>
#include <faiss/invlists/BlockInvertedLists.h>
#include <faiss/invlists/InvertedLists.h>
#include <faiss/invlists/InvertedListsIOHook.h>

#if defined(__linux__) || defined(__FreeBSD__)
#define VINEDB_MAPS 1
#include <sys/mman.h>
#include <sys/stat.h>
#endif

using namespace faiss;
using namespace shim;

namespace {

using Ids = std::vector<idx_t>;

/// Where the next part of a file begins. FAISS writes numbers one by one, and vectors as their length, in 8 bytes, and their
/// elements; both of them in one call, and reads them by the same calls. When it maps a file it does not say where the
/// elements begin, so there is a gap behind every number of 8 bytes.
class Layout {
    static constexpr size_t ALIGNMENT = 64;
    size_t at = 0;

    size_t gap(size_t alignment) {
        const size_t bytes = (alignment - at % alignment) % alignment;
        at += bytes;
        return bytes;
    }

public:
    static constexpr uint8_t ZEROS[ALIGNMENT] = {};

    explicit Layout(size_t at = 0) : at(at) {}

    size_t gap_before(size_t size, size_t count) {
        return gap(count == 1 ? size : ALIGNMENT);
    }

    size_t gap_behind(size_t size, size_t count) {
        at += size * count;
        return size == 8 && count == 1 ? gap(ALIGNMENT) : 0;
    }
};

using WriteCallback = bool (*)(void* context, const uint8_t* data, size_t bytes);
using ReadCallback = bool (*)(void* context, uint8_t* data, size_t bytes);

/// FAISS's own format, to a callback.
struct PlainWriter : IOWriter {
    const WriteCallback write;
    void* const context;

    PlainWriter(WriteCallback write, void* context) : write(write), context(context) {}

    size_t operator()(const void* data, size_t size, size_t count) override {
        return write(context, static_cast<const uint8_t*>(data), size * count) ? count : 0;
    }
};

struct Writer final : PlainWriter {
    Layout layout;

    using PlainWriter::PlainWriter;
    size_t operator()(const void* data, size_t size, size_t count) override {
        const bool whole = size * count == 0 ||
                (write(context, Layout::ZEROS, layout.gap_before(size, count)) && PlainWriter::operator()(data, size, count) == count &&
                 write(context, Layout::ZEROS, layout.gap_behind(size, count)));
        return whole ? count : 0;
    }
};

struct PlainReader : IOReader {
    const ReadCallback read;
    void* const context;

    PlainReader(ReadCallback read, void* context) : read(read), context(context) {}

    size_t operator()(void* data, size_t size, size_t count) override {
        return read(context, static_cast<uint8_t*>(data), size * count) ? count : 0;
    }
};

struct Reader final : PlainReader {
    Layout layout;

    using PlainReader::PlainReader;
    size_t operator()(void* data, size_t size, size_t count) override {
        uint8_t gap[sizeof Layout::ZEROS];
        const bool whole = size * count == 0 ||
                (read(context, gap, layout.gap_before(size, count)) && PlainReader::operator()(data, size, count) == count &&
                 read(context, gap, layout.gap_behind(size, count)));
        return whole ? count : 0;
    }
};

/// The index inside of an id map, and the ids.
std::pair<std::unique_ptr<Index>, Ids> unwrapped(std::unique_ptr<Index> whole) {
    auto map = dynamic_cast<IndexIDMap*>(whole.get());
    FAISS_THROW_IF_NOT_MSG(map && map->index, "its id map has no index");
    std::unique_ptr<Index> inside(map->index);
    map->own_fields = false;
    FAISS_THROW_IF_NOT_MSG(idx_t(map->id_map.size()) == inside->ntotal, "its ids are of another number than its vectors");
    return {std::move(inside), std::move(map->id_map)};
}

/// What FAISS read from a file of ours, once it is known to be sound.
Handle* finished(Index* read, std::unique_ptr<const shim::Mapping> mapping) {
    auto [inside, ids] = unwrapped(std::unique_ptr<Index>(read));
    set_parameters(*inside);
    check(*inside);
    complete(*inside);
    return new Handle(std::move(inside), std::move(ids), std::move(mapping));
}

// Indexes of others.

Ids numbered(idx_t count) {
    Ids ids(count);
    for (idx_t row = 0; row < count; row++) {
        ids[row] = row;
    }
    return ids;
}

/// The lists of an index, beneath its transforms; null where it has none, or gives them no ids (beneath refinement).
IndexIVF* lists_of(Index& index) {
    auto chain = dynamic_cast<IndexPreTransform*>(&index);
    return dynamic_cast<IndexIVF*>(chain ? chain->index : &index);
}

idx_t* ids_of_list(InvertedLists& lists, size_t list) {
    if (auto arrays = dynamic_cast<ArrayInvertedLists*>(&lists)) {
        return arrays->ids.at(list).data();
    }
    auto blocks = dynamic_cast<BlockInvertedLists*>(&lists);
    FAISS_THROW_IF_NOT_MSG(blocks, "its lists lie outside of the file");
    return blocks->ids.at(list).data();
}

/// What lists call their vectors, ascending; each once.
Ids ids_in_lists(IndexIVF& ivf) {
    Ids ids;
    for (size_t list = 0; list < ivf.nlist; list++) {
        const idx_t* first = ids_of_list(*ivf.invlists, list);
        ids.insert(ids.end(), first, first + ivf.invlists->list_size(list));
    }
    std::sort(ids.begin(), ids.end());
    FAISS_THROW_IF_NOT_MSG(std::adjacent_find(ids.begin(), ids.end()) == ids.end(), "an id stands twice in its lists");
    FAISS_THROW_IF_NOT_MSG(idx_t(ids.size()) == ivf.ntotal, "its lists have another number of vectors than it says");
    return ids;
}

/// Replaces the ids in lists by rows: the place of the id among all ids. Returns the id of each row.
Ids take_ids(IndexIVF& ivf) {
    FAISS_THROW_IF_NOT_MSG(ivf.invlists && ivf.invlists->nlist == ivf.nlist, "its lists are of another number");
    const Ids ids = ids_in_lists(ivf);
    for (size_t list = 0; list < ivf.nlist; list++) {
        idx_t* const first = ids_of_list(*ivf.invlists, list);
        for (size_t place = 0; place < ivf.invlists->list_size(list); place++) {
            first[place] = std::lower_bound(ids.begin(), ids.end(), first[place]) - ids.begin();
        }
    }
    return ids;
}

/// The ids of the rows of an index that is in no id map. Rows are in no direct map then; ours is made at the end.
Ids ids_inside(Index& index) {
    IndexIVF* const ivf = lists_of(index);
    if (!ivf) {
        return numbered(index.ntotal);
    }
    ivf->set_direct_map_type(DirectMap::NoMap);
    return take_ids(*ivf);
}

Handle* read_foreign(IOReader& reader) {
    std::unique_ptr<Index> inside(read_index(&reader, READING));
    FAISS_THROW_IF_NOT_MSG(inside, "it has no index");
    Ids ids;
    if (dynamic_cast<IndexIDMap*>(inside.get())) {
        std::tie(inside, ids) = unwrapped(std::move(inside));
        kind_of(*inside);
        FAISS_THROW_IF_NOT_MSG(ids_inside(*inside) == numbered(inside->ntotal), "its lists do not hold the rows of its id map");
    } else {
        kind_of(*inside);
        ids = ids_inside(*inside);
    }
    set_parameters(*inside);
    check(*inside);
    complete(*inside);
    set_up(*inside);
    return new Handle(std::move(inside), std::move(ids));
}

#ifdef VINEDB_MAPS

/// A whole file in memory, read-only.
struct MappedFile final : shim::Mapping {
    uint8_t* first = nullptr;
    size_t size = 0;

    explicit MappedFile(int descriptor) {
        struct stat status;
        FAISS_THROW_IF_NOT_MSG(fstat(descriptor, &status) == 0 && status.st_size > 0, "the file has nothing to map");
        void* const address = mmap(nullptr, status.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
        FAISS_THROW_IF_NOT_MSG(address != MAP_FAILED, "the file cannot be mapped into memory");
        first = static_cast<uint8_t*>(address);
        size = status.st_size;
    }

    MappedFile(const MappedFile&) = delete;

    ~MappedFile() override {
        munmap(first, size);
    }
};

/// Gives FAISS views into the mapping, where it asks for views (`get_data_view`, which is not virtual).
struct MappedReader final : ZeroCopyIOReader {
    using ZeroCopyIOReader::ZeroCopyIOReader;

    void skip(size_t bytes) {
        FAISS_THROW_IF_NOT_MSG(bytes <= total_ - rp_, "the file ends too early");
        rp_ += bytes;
    }

    size_t operator()(void* data, size_t size, size_t count) override {
        if (size * count == 0) {
            return count;
        }
        Layout layout = here();
        skip(layout.gap_before(size, count));
        const size_t read = ZeroCopyIOReader::operator()(data, size, count);
        skip(layout.gap_behind(size, count));
        return read;
    }

    template <class T>
    void view(MaybeOwnedVector<T>& target, size_t count) {
        Layout layout = here();
        skip(layout.gap_before(sizeof(T), count));
        FAISS_THROW_IF_NOT_MSG(count <= (total_ - rp_) / sizeof(T), "the file ends within its lists");
        void* first = nullptr;
        get_data_view(&first, sizeof(T), count);
        skip(layout.gap_behind(sizeof(T), count));
        target = MaybeOwnedVector<T>::create_view(first, count, nullptr);
    }

private:
    Layout here() const {
        return Layout(rp_);
    }
};

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
        auto reader = dynamic_cast<MappedReader*>(f);
        FAISS_THROW_IF_NOT(reader);
        auto lists = std::make_unique<ArrayInvertedLists>(nlist, code_size);
        for (size_t list = 0; list < nlist; list++) {
            if (sizes[list] > 0) {
                reader->view(lists->codes[list], sizes[list] * code_size);
                reader->view(lists->ids[list], sizes[list]);
            }
        }
        return lists.release();
    }
};

/// FAISS finds the hook by these: "skip the lists" and the upper half of "ilvd".
constexpr int MAPPING = READING | IO_FLAG_SKIP_IVF_DATA | int('v') << 16 | int('d') << 24;

#endif

} // namespace

extern "C" {

/// Once, before anything is read: FAISS looks hooks up without a lock.
int vinedb_faiss_add_hooks() {
#ifdef VINEDB_MAPS
    return guarded([] { InvertedListsIOHook::add_callback(new MappedLists()); });
#else
    return 0;
#endif
}

/// Writes what vinedb_faiss_read and vinedb_faiss_map read.
int vinedb_faiss_write(const Handle* handle, WriteCallback write, void* context) {
    return guarded([&] {
        Writer writer(write, context);
        write_index(handle, &writer);
    });
}

/// Writes FAISS's own format, under other ids, one per row.
int vinedb_faiss_write_as(const Handle* handle, const int64_t* ids, WriteCallback write, void* context) {
    return guarded([&] {
        IndexIDMap other(*handle);
        other.own_fields = false;
        other.id_map.assign(ids, ids + other.id_map.size());
        PlainWriter writer(write, context);
        write_index(&other, &writer);
    });
}

int vinedb_faiss_read(ReadCallback read, void* context, Handle** handle) {
    return guarded([&] {
        Reader reader(read, context);
        *handle = finished(read_index(&reader, READING), nullptr);
    });
}

/// Reads any index of FAISS's whose kind is one of ours, with the ids that it gives its rows, in whatever order.
int vinedb_faiss_read_foreign(ReadCallback read, void* context, Handle** handle) {
    return guarded([&] {
        PlainReader reader(read, context);
        *handle = read_foreign(reader);
    });
}

/// Reads the index that starts at a place in an open file, a multiple of 64, which keeps its bytes while the index lives. Its
/// large parts stay in the file. FAISS aborts the process over changes to such an index, so its caller allows none.
int vinedb_faiss_map(int descriptor, size_t start, Handle** handle) {
    return guarded([&] {
#ifdef VINEDB_MAPS
        auto file = std::make_unique<const MappedFile>(descriptor);
        FAISS_THROW_IF_NOT_MSG(start < file->size, "the file has no index");
        MappedReader reader(file->first + start, file->size - start);
        *handle = finished(read_index(&reader, MAPPING), std::move(file));
#else
        (void)descriptor, (void)start, (void)handle;
        FAISS_THROW_MSG("files cannot be mapped on this system");
#endif
    });
}

} // extern "C"

// Indexes that were not made here. Rows are numbered from 0 in all of ours, and one id map around everything tells their
// ids; FAISS also has indexes without ids, id maps that find rows too, and lists that keep ids themselves.

#include "levels.h"
#include "shim.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <faiss/IndexPreTransform.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/index_io.h>
#include <faiss/invlists/BlockInvertedLists.h>

using namespace faiss;
using namespace shim;

namespace {

using Ids = std::vector<idx_t>;

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
        return arrays->ids[list].data();
    }
    auto blocks = dynamic_cast<BlockInvertedLists*>(&lists);
    FAISS_THROW_IF_NOT_MSG(blocks, "its lists lie outside of the file");
    return blocks->ids[list].data();
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

/// Has lists call their vectors by row: the place of the id among all ids. Returns the id of each row.
Ids take_ids(IndexIVF& ivf) {
    const Ids ids = ids_in_lists(ivf);
    for (size_t list = 0; list < ivf.nlist; list++) {
        idx_t* const first = ids_of_list(*ivf.invlists, list);
        for (size_t place = 0; place < ivf.invlists->list_size(list); place++) {
            first[place] = std::lower_bound(ids.begin(), ids.end(), first[place]) - ids.begin();
        }
    }
    return ids;
}

/// An index of one of our kinds whose parts fit together, without an id map.
void check_inside(Index& index) {
    if (IndexIVF* ivf = lists_of(index)) {
        ivf->set_direct_map_type(DirectMap::NoMap); // it may be of any type; ours is made at the end
    }
    kind_of(index);
    check_shape(index);
}

/// The ids of the rows of an index that is in no id map.
Ids ids_without_map(Index& index) {
    IndexIVF* ivf = lists_of(index);
    return ivf ? take_ids(*ivf) : numbered(index.ntotal);
}

/// The index without its id map, and the id of each row.
std::pair<std::unique_ptr<Index>, Ids> unwrapped(std::unique_ptr<Index> index) {
    auto map = dynamic_cast<IndexIDMap*>(index.get());
    if (!map) {
        check_inside(*index);
        Ids ids = ids_without_map(*index);
        return {std::move(index), std::move(ids)};
    }
    FAISS_THROW_IF_NOT_MSG(map->index, "its id map has no index");
    std::unique_ptr<Index> inside(map->index);
    map->own_fields = false;
    check_inside(*inside);
    FAISS_THROW_IF_NOT_MSG(idx_t(map->id_map.size()) == inside->ntotal, "its ids are of another number than its vectors");
    FAISS_THROW_IF_NOT_MSG(ids_without_map(*inside) == numbered(inside->ntotal), "its lists do not hold the rows of its id map");
    return {std::move(inside), std::move(map->id_map)};
}

/// Has an id map own the index.
std::unique_ptr<IndexIDMap> wrapped(std::unique_ptr<Index> inside, Ids ids) {
    auto map = std::make_unique<IndexIDMap>();
    map->d = inside->d;
    map->ntotal = inside->ntotal;
    map->metric_type = inside->metric_type;
    map->metric_arg = inside->metric_arg;
    map->is_trained = inside->is_trained;
    map->id_map = std::move(ids);
    map->index = inside.release();
    map->own_fields = true;
    return map;
}

} // namespace

extern "C" {

/// Reads any index of FAISS's whose kind is one of ours, with the ids that it gives its rows, in whatever order.
int vinedb_faiss_read_foreign(ReadCallback read, void* context, IndexIDMap** map) {
    return guarded([&] {
        Reader reader(read, context);
        auto [inside, ids] = unwrapped(std::unique_ptr<Index>(read_index(&reader)));
        auto whole = wrapped(std::move(inside), std::move(ids));
        check_content(*whole);
        complete(*whole);
        set_up(*whole);
        *map = whole.release();
    });
}

/// Gives rows other ids, one per row.
void vinedb_faiss_renumber(IndexIDMap* map, const int64_t* ids) {
    std::copy_n(ids, map->id_map.size(), map->id_map.begin());
}

} // extern "C"

// Taking rows out: what lies behind them moves up, in its order, so that ids still ascend with rows.

#include "kinds.h"
#include "shim.h"

#include <algorithm>
#include <vector>

#include <faiss/impl/CodePacker.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/invlists/BlockInvertedLists.h>

using namespace faiss;
using namespace shim;

namespace {

/// Where each row goes; -1 for those that go away.
using Places = std::vector<idx_t>;

struct Gone final : IDSelector {
    const Places& places;
    explicit Gone(const Places& places) : places(places) {}
    bool is_member(idx_t row) const override {
        return places[row] < 0;
    }
};

/// Moves packed codes up, and clears what remains of their last block: FAISS adds codes by setting bits
/// (pq4_pack_codes_range in impl/pq4_fast_scan.cpp), and so does not survive what its own removal leaves there.
template <class Kept>
size_t move_packed(const CodePacker& packer, uint8_t* codes, size_t count, Kept kept) {
    std::vector<uint8_t> code(packer.code_size);
    size_t to = 0;
    for (size_t from = 0; from < count; from++) {
        if (!kept(from)) {
            continue;
        }
        if (to < from) {
            packer.unpack_1(codes, from, code.data());
            packer.pack_1(code.data(), to, codes);
        }
        to++;
    }
    std::fill(code.begin(), code.end(), 0);
    const size_t end = std::min(count, (to + packer.nvec - 1) / packer.nvec * packer.nvec);
    for (size_t rest = to; rest < end; rest++) {
        packer.pack_1(code.data(), rest, codes);
    }
    return to;
}

void remove_packed(IndexFastScan& index, const Places& places) {
    const std::unique_ptr<CodePacker> packer(index.get_CodePacker());
    const auto kept = [&](size_t row) { return places[row] >= 0; };
    index.ntotal = move_packed(*packer, index.codes.data(), index.ntotal, kept);
    index.ntotal2 = (index.ntotal + index.bbs - 1) / index.bbs * index.bbs;
    index.codes.resize(index.ntotal2 * index.M2 / 2);
}

void remove_from_list(BlockInvertedLists& lists, size_t list, const Places& places) {
    auto& ids = lists.ids[list];
    const auto kept = [&](size_t place) { return places[ids[place]] >= 0; };
    move_packed(*lists.packer, lists.codes[list].data(), ids.size(), kept);
    size_t to = 0;
    for (const idx_t row : ids) {
        if (places[row] >= 0) {
            ids[to++] = places[row];
        }
    }
    lists.resize(list, to);
}

void remove_from_list(ArrayInvertedLists& lists, size_t list, const Places& places) {
    auto& ids = lists.ids[list];
    uint8_t* codes = lists.codes[list].data();
    size_t to = 0;
    for (size_t from = 0; from < ids.size(); from++) {
        const idx_t place = places[ids[from]];
        if (place < 0) {
            continue;
        }
        ids[to] = place;
        std::copy_n(codes + from * lists.code_size, lists.code_size, codes + to * lists.code_size);
        to++;
    }
    lists.resize(list, to);
}

void remove_from_lists(IndexIVF& ivf, const Places& places, idx_t remaining) {
    auto blocks = dynamic_cast<BlockInvertedLists*>(ivf.invlists);
    auto arrays = dynamic_cast<ArrayInvertedLists*>(ivf.invlists);
    FAISS_THROW_IF_NOT(blocks || arrays);
    for (size_t list = 0; list < ivf.nlist; list++) {
        if (blocks) {
            remove_from_list(*blocks, list, places);
        } else {
            remove_from_list(*arrays, list, places);
        }
    }
    ivf.ntotal = remaining;
    const DirectMap::Type type = ivf.direct_map.type;
    ivf.set_direct_map_type(DirectMap::NoMap);
    ivf.set_direct_map_type(type);
}

void remove_rows(Index& index, const Places& places, idx_t remaining) {
    match(
            index,
            [&](IndexRefine& refine) {
                remove_rows(*refine.base_index, places, remaining);
                remove_rows(*refine.refine_index, places, remaining);
            },
            [&](IndexPreTransform& chain) { remove_rows(*chain.index, places, remaining); },
            [&](IndexIVF& ivf) { remove_from_lists(ivf, places, remaining); },
            [&](IndexPQFastScan& packed) { remove_packed(packed, places); },
            [&](IndexFlatCodes& codes) { codes.remove_ids(Gone(places)); },
            [](Index&) { FAISS_THROW_MSG("nothing can be taken out of a graph"); });
    index.ntotal = remaining;
}

} // namespace

extern "C" {

/// Takes out the rows whose ids are in the bitmap; writes how many. Not for graphs, nor for what is mapped.
int vinedb_faiss_remove(Handle* handle, const uint8_t* bits, size_t bytes, size_t* removed) {
    return change(handle, [&] {
        Places places(handle->id_map.size());
        idx_t remaining = 0;
        for (size_t row = 0; row < places.size(); row++) {
            const uint64_t id = handle->id_map[row];
            const bool gone = (id >> 3) < bytes && ((bits[id >> 3] >> (id & 7)) & 1);
            places[row] = gone ? -1 : remaining++;
        }
        *removed = places.size() - remaining;
        if (*removed == 0) {
            return;
        }
        remove_rows(*handle->index, places, remaining);
        for (size_t row = 0; row < places.size(); row++) {
            if (places[row] >= 0) {
                handle->id_map[places[row]] = handle->id_map[row];
            }
        }
        handle->id_map.resize(remaining);
        handle->ntotal = remaining;
    });
}

} // extern "C"

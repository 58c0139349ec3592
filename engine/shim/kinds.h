// The classes of FAISS's that an index of ours is made of, and one place that tells them apart: `match` calls the case for the
// class that an index or a transform is. What is asked of every class, its name, its memory, whether it is sound, is a
// `match` with a case for each that differs.

#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexIVFRaBitQ.h>
#include <faiss/IndexLSH.h>
#include <faiss/IndexNSG.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPQFastScan.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRaBitQ.h>
#include <faiss/IndexRefine.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/VectorTransform.h>

namespace shim {

/// No graph NSG has more links per row.
constexpr int MOST_LINKS = 1 << 16;

template <class...>
struct Classes {};

/// No class derived from these is one of ours.
using IndexClasses = Classes<
        faiss::IndexHNSWFlat,
        faiss::IndexFlatIP,
        faiss::IndexFlatL2,
        faiss::IndexFlat,
        faiss::IndexIVFFlat,
        faiss::IndexScalarQuantizer,
        faiss::IndexRefine,
        faiss::IndexRefineFlat,
        faiss::IndexPreTransform,
        faiss::IndexHNSWSQ,
        faiss::IndexHNSWPQ,
        faiss::IndexNSGFlat,
        faiss::IndexNSGSQ,
        faiss::IndexNSGPQ,
        faiss::IndexIVFScalarQuantizer,
        faiss::IndexIVFPQ,
        faiss::IndexIVFPQFastScan,
        faiss::IndexIVFRaBitQ,
        faiss::IndexPQ,
        faiss::IndexPQFastScan,
        faiss::IndexRaBitQ,
        faiss::IndexLSH>;

using TransformClasses = Classes<
        faiss::PCAMatrix,
        faiss::OPQMatrix,
        faiss::LinearTransform,
        faiss::RandomRotationMatrix,
        faiss::ITQTransform,
        faiss::NormalizationTransform,
        faiss::RemapDimensionsTransform>;

/// Throws: there is no such class in any kind of index here.
[[noreturn]] void refuse_class(const std::type_info& type, const char* place);

template <class Base, class Visitor, class First, class... Rest>
decltype(auto) dispatch(Base& object, const Visitor& visitor, Classes<First, Rest...>) {
    using Class = std::conditional_t<std::is_const_v<Base>, const First, First>;
    if (typeid(object) == typeid(First)) {
        return visitor(static_cast<Class&>(object));
    }
    if constexpr (sizeof...(Rest) > 0) {
        return dispatch(object, visitor, Classes<Rest...>{});
    } else {
        refuse_class(typeid(object), "");
    }
}

template <class... Case>
struct Cases : Case... {
    using Case::operator()...;
};
template <class... Case>
Cases(Case...) -> Cases<Case...>;

/// Calls the case for the class that the object is: as of all overloads, the one for the closest base class. Throws for a
/// class that is none of ours.
template <class Base, class... Case>
decltype(auto) match(Base& object, Case... cases) {
    constexpr bool index = std::is_base_of_v<faiss::Index, Base>;
    using All = std::conditional_t<index, IndexClasses, TransformClasses>;
    return dispatch(object, Cases{cases...}, All{});
}

/// The object as a T if it is one, and of no class derived from it.
template <class T, class Base>
T* exactly(Base& object) {
    return typeid(object) == typeid(T) ? static_cast<T*>(&object) : nullptr;
}

/// The indexes directly beneath, null for those that are missing.
std::vector<faiss::Index*> children(const faiss::Index& index);

/// The product quantizer whose codes an index keeps; null where it keeps none.
const faiss::ProductQuantizer* product_quantizer(const faiss::Index& index);

/// Likewise of scalar codes.
const faiss::ScalarQuantizer* scalar_quantizer(const faiss::Index& index);

/// The factory string, as `Kind` reads it. Throws with the class's name when it is no kind of ours.
std::string kind_of(const faiss::Index& index);

/// Bytes of memory, mapped ones included.
size_t memory_of(const faiss::Index& index);

/// Sets the metric at every level: the factory knows two.
void set_metric(faiss::Index& index, faiss::MetricType metric, float exponent);

/// Sets up a new index: what training leaves out and adding keeps up.
void set_up(faiss::Index& index);

/// Sets what searching, adding and training go by to our own values, in place of those of a file: whatever a search is to
/// go by comes with it.
void set_parameters(faiss::Index& index);

/// Throws unless its parts fit together: every level has the rows, dimension, metric and sizes that the others imply, links
/// lead to rows, lists hold each row once, and numbers are finite. Looks at everything once.
void check(const faiss::Index& index);

/// Makes the tables that reading leaves out, of an index that is checked.
void complete(faiss::Index& index);

/// A copy in memory.
faiss::Index* copy(const faiss::Index& index);

} // namespace shim

// The levels of an index: what it is made of, what it is called, what it takes, whether its parts fit together.

#pragma once

#include <string>
#include <typeinfo>
#include <vector>

#include <faiss/IndexIDMap.h>

namespace shim {

/// The object as a T if it is one, and of no class derived from it.
template <class T, class Base>
T* exactly(Base& object) {
    return typeid(object) == typeid(T) ? static_cast<T*>(&object) : nullptr;
}

/// The indexes directly beneath.
std::vector<faiss::Index*> children(const faiss::Index& index);

/// The factory string, as `Kind` reads it. Throws with the class's name when it is no kind of ours.
std::string kind_of(const faiss::Index& index);

/// Bytes of memory, mapped ones included.
size_t memory_of(const faiss::Index& index);

/// Throws unless every level has the rows, dimension, metric and sizes that the others imply. Looks at no row.
void check_shape(const faiss::IndexIDMap& map);

} // namespace shim

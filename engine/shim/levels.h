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
void check_shape(const faiss::Index& index);

/// Throws unless links, lists and numbers are such as can be there. Looks at every row; the shape must be checked.
void check_content(const faiss::Index& index);

/// Adds what FAISS leaves out when it reads.
void complete(faiss::Index& index);

/// Sets what the factory was not asked for: what training leaves out and adding keeps up.
void set_up(faiss::Index& index);

} // namespace shim

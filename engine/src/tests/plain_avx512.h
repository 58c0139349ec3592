// The intrinsics of AVX-512 that the shim uses, in plain C++, for processors that lack them: what is around them is then
// compiled and run as AVX-512 has it, sixteen floats wide.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace plain {

using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));

inline Ints widened(__m128i bytes) {
    uint8_t each[16];
    std::memcpy(each, &bytes, sizeof each);
    Ints ints;
    for (int i = 0; i < 16; i++) {
        ints[i] = each[i];
    }
    return ints;
}

inline Floats converted(Ints ints) {
    return __builtin_convertvector(ints, Floats);
}

inline float total(Floats x) {
    float sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += x[i];
    }
    return sum;
}

} // namespace plain

#define _mm512_cvtepu8_epi32(bytes) plain::widened(bytes)
#define _mm512_cvtepi32_ps(ints) plain::converted(ints)
#undef _mm512_reduce_add_ps
#define _mm512_reduce_add_ps(x) plain::total(x)
#define __AVX512F__ 1

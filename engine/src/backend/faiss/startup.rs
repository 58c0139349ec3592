//! The check of the processor, ahead of everything that is compiled for it. 101 is the first priority that a program may
//! take (up to 100 are the C library's); constructors of C++ have none, and come after all that have one.

#[used]
#[unsafe(link_section = ".init_array.00101")]
static CHECK: extern "C" fn() = check;

extern "C" fn check() {
    crate::cpu::require();
}

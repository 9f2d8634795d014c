// Linked into the fuzz targets only: every checksum comes out the same, so that a changed byte gets
// past the comparison and into the code behind it. (The tests flip bytes against real checksums.)
// The linker sends the calls here: --wrap, and for libzip's crc32 an exported symbol.
#include <xxhash.h>

extern "C" {

XXH64_hash_t __wrap_XXH3_64bits(const void*, size_t) { return 0x5333415454454E21; }
XXH128_hash_t __wrap_XXH3_128bits(const void*, size_t) { return {1, 2}; }
XXH128_hash_t __wrap_XXH3_128bits_digest(const XXH3_state_t*) { return {1, 2}; }

unsigned long crc32(unsigned long, const unsigned char*, unsigned) { return 0x53334154; }

}  // extern "C"

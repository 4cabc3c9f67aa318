// This core has no level-1 caches; the part's flash interface caches what it reads by itself.
#pragma once

namespace board {

inline void enable_caches() {}

}  // namespace board

# ccache, where there is one, before the compilers. To be included ahead of the first target.
find_program(CCACHE ccache)
if(CCACHE)
  # Paths are taken relative to the tree: all its clones share one cache.
  set(launcher env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros)
  if(SLUICE_PRECOMPILES)
    # GCC's #pragma once knows a file of a precompiled header by its bytes, ccache by what the preprocessor leaves of them: after a change of a comment
    # it would hand out the precompiled header with the old file in it, and the new one would define everything again. In depend mode bytes count;
    # the namespace keeps what was made in the other mode away.
    list(APPEND launcher CCACHE_DEPEND=1 CCACHE_NAMESPACE=depend)
  endif()
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher} ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher} ${CCACHE})
endif()

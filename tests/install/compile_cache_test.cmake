# A header of which only a comment changed, in a precompiled header, built by way of deploy/compile_cache.cmake with a cache of its own.
# Run by ctest: cmake -DSOURCE_DIR= -DFOLDER= -DCOMPILER= -P
find_program(CCACHE ccache)
if(NOT CCACHE)
  message("Skipped: there is no ccache here")
  return()
endif()

function(build)
  file(REMOVE_RECURSE ${FOLDER}/build)
  foreach(arguments "-G;Ninja;-S;${FOLDER};-B;${FOLDER}/build;-DCMAKE_CXX_COMPILER=${COMPILER}" "--build;${FOLDER}/build")
    execute_process(COMMAND ${CMAKE_COMMAND} -E env CCACHE_DIR=${FOLDER}/cache ${CMAKE_COMMAND} ${arguments}
                    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "${said}")
    endif()
  endforeach()
endfunction()

file(REMOVE_RECURSE ${FOLDER})
file(WRITE ${FOLDER}/CMakeLists.txt "
cmake_minimum_required(VERSION 3.25)
project(Cached LANGUAGES CXX)
set(SLUICE_PRECOMPILES ON)
include(${SOURCE_DIR}/deploy/compile_cache.cmake)
add_library(cached STATIC cached.cc)
target_precompile_headers(cached PRIVATE record.h)
")
file(WRITE ${FOLDER}/record.h "#pragma once\n// What a stream is made of.\nstruct Record { int value; };\n")
file(WRITE ${FOLDER}/cached.cc "#include \"record.h\"\nint first(Record record) { return record.value; }\n")
build()
file(WRITE ${FOLDER}/record.h "#pragma once\n// What a batch is made of.\nstruct Record { int value; };\n")
file(WRITE ${FOLDER}/cached.cc "#include \"record.h\"\nint second(Record record) { return record.value; }\n")
build()

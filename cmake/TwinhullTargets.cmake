# One target a folder. A target sees only the headers of the folders that it names: each library
# publishes its folder through an include root of its own, so an include that the design forbids
# does not compile.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

find_program(TWINHULL_CCACHE ccache)
if(TWINHULL_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1 ${TWINHULL_CCACHE})
endif()
find_program(TWINHULL_MOLD mold)
if(TWINHULL_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(twinhull_options INTERFACE)
target_compile_options(twinhull_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 sees uninitialized values inside std::optional and std::expected, and accesses outside of
  # std::string's own buffer after operator+ (its bugs 105329, 105651), where there are none.
  target_compile_options(twinhull_options INTERFACE -Wno-maybe-uninitialized -Wno-array-bounds
    -Wno-stringop-overread -Wno-stringop-overflow -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  # std::stable_sort of libstdc++ 12 uses get_temporary_buffer, which C++17 deprecates.
  target_compile_options(twinhull_options INTERFACE -Wno-deprecated-declarations)
endif()
if(TWINHULL_FUZZ)
  target_compile_options(twinhull_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TWINHULL_SANITIZE STREQUAL "address")
  target_compile_options(twinhull_options INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(twinhull_options INTERFACE -fsanitize=address,undefined)
elseif(TWINHULL_SANITIZE STREQUAL "thread")
  target_compile_options(twinhull_options INTERFACE -fsanitize=thread)
  target_link_options(twinhull_options INTERFACE -fsanitize=thread)
endif()

# Tests are compiled without optimization: they call optimized libraries, and half of a build was
# spent on them.
add_library(twinhull_test_options INTERFACE)
target_compile_options(twinhull_test_options INTERFACE -O0)
target_compile_definitions(twinhull_test_options INTERFACE BOOST_TEST_DYN_LINK)
target_link_libraries(twinhull_test_options INTERFACE twinhull_options Boost::unit_test_framework)

add_library(twinhull_test_main STATIC ${CMAKE_SOURCE_DIR}/cmake/test_main.cc)
target_link_libraries(twinhull_test_main PRIVATE twinhull_test_options)

# Precompiled headers, one for libraries and one for tests; twinhull_library and twinhull_test use them.
foreach(kind IN ITEMS common tests)
  add_library(twinhull_pch_${kind} STATIC ${CMAKE_SOURCE_DIR}/cmake/pch/empty.cc)
  # By a short name: an absolute path would be part of what ccache compares between checkouts.
  target_include_directories(twinhull_pch_${kind} PRIVATE ${CMAKE_SOURCE_DIR}/cmake)
  target_precompile_headers(twinhull_pch_${kind} PRIVATE <pch/${kind}.h>)
  target_link_libraries(twinhull_pch_${kind} PRIVATE fmt::fmt)
endforeach()
target_link_libraries(twinhull_pch_common PRIVATE twinhull_options)
target_link_libraries(twinhull_pch_tests PRIVATE twinhull_test_options)

# twinhull_library(NAME FOLDER path SOURCES ... DEPENDS ... [PRIVATE_DEPENDS ...] [TESTS])
# FOLDER is the path below the project, published as "FOLDER/header.h". TESTS: it holds test cases.
function(twinhull_library name)
  cmake_parse_arguments(ARG "TESTS" "FOLDER" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(sources "")
  foreach(source IN LISTS ARG_SOURCES)
    if(IS_ABSOLUTE ${source} OR EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
      list(APPEND sources ${source})
    else()
      message(WARNING "${name}: ${source} is missing")
    endif()
  endforeach()
  add_library(${name} STATIC ${sources})
  set(root ${CMAKE_BINARY_DIR}/include-roots/${name})
  get_filename_component(parent ${ARG_FOLDER} DIRECTORY)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${ARG_FOLDER} ${root}/${ARG_FOLDER} SYMBOLIC)
  target_include_directories(${name} PUBLIC ${root})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  if(ARG_TESTS)
    target_link_libraries(${name} PUBLIC twinhull_test_options)
    target_precompile_headers(${name} REUSE_FROM twinhull_pch_tests)
  else()
    target_link_libraries(${name} PRIVATE twinhull_options)
    target_precompile_headers(${name} REUSE_FROM twinhull_pch_common)
  endif()
endfunction()

# twinhull_cold(SOURCES...): files that run once a command and drag in large header-only libraries
# (option parsing): not optimized, which halves their build time.
function(twinhull_cold)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O0 SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# twinhull_test(NAME SOURCES ... DEPENDS ... [LABELS ...] [TIMEOUT s]): a Boost.Test program.
function(twinhull_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE twinhull_test_main twinhull_test_options ${ARG_DEPENDS})
  target_precompile_headers(${name} REUSE_FROM twinhull_pch_tests)
  set(launcher)
  if("root" IN_LIST ARG_LABELS)
    set(launcher ${CMAKE_SOURCE_DIR}/ci/repeat-failed)
  endif()
  add_test(NAME ${name} COMMAND ${launcher} $<TARGET_FILE:${name}> --log_level=error --report_level=short)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# Fails the build when a source below FOLDERS names a header of Linux or of another layer.
function(twinhull_seam_guard name)
  cmake_parse_arguments(ARG "" "" "FOLDERS" ${ARGN})
  add_custom_target(${name} ALL
    COMMAND ${CMAKE_COMMAND} -D "FOLDERS=${ARG_FOLDERS}" -D SOURCE=${CMAKE_SOURCE_DIR}
            -P ${CMAKE_SOURCE_DIR}/cmake/seam_guard.cmake
    COMMENT "Checking that the seam is kept" VERBATIM)
endfunction()

# twinhull_header(NAME path): publishes one header that lies in a folder of folders.
function(twinhull_header name header)
  set(root ${CMAKE_BINARY_DIR}/include-roots/${name})
  get_filename_component(parent ${header} DIRECTORY)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${header} ${root}/${header} SYMBOLIC)
  add_library(${name} INTERFACE)
  target_include_directories(${name} INTERFACE ${root})
endfunction()

# The library as others use it, `cmake --install`, and the packages. Included after every folder.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Every library of src/ but what only tests use.
set(objects)
get_directory_property(folders SUBDIRECTORIES)
foreach(folder ${folders})
  get_directory_property(targets DIRECTORY ${folder} BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(folder MATCHES "/src/[a-z]+$" AND type STREQUAL STATIC_LIBRARY AND NOT target MATCHES "_fake$")
      list(APPEND objects $<TARGET_OBJECTS:${target}>)
    endif()
  endforeach()
endforeach()

# For a subproject: include/ and the code, nothing of src/ and no warnings of ours.
add_library(s3attn_library INTERFACE)
target_include_directories(s3attn_library INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_features(s3attn_library INTERFACE cxx_std_20)
target_link_libraries(s3attn_library INTERFACE $<LINK_ONLY:s3attn_engine> $<LINK_ONLY:s3attn_train>)
add_library(s3attn::s3attn ALIAS s3attn_library)
if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()

function(s3attn_public target)
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} INTERFACE cxx_std_20)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME s3attn)
endfunction()

# llama.cpp's libraries lie in a folder of their own beside ours: they are no system's.
add_library(s3attn_shared SHARED ${objects})
target_link_libraries(s3attn_shared PRIVATE s3attn_engine s3attn_train)
s3attn_public(s3attn_shared)
set_target_properties(s3attn_shared PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINKER_LANGUAGE CXX INSTALL_RPATH "$ORIGIN/s3attn")
set(shown ${CMAKE_CURRENT_LIST_DIR}/s3attn.map)
target_link_options(s3attn_shared PRIVATE LINKER:--no-undefined LINKER:--exclude-libs,ALL
  LINKER:--version-script=${shown})
set_target_properties(s3attn_shared PROPERTIES LINK_DEPENDS ${shown})

# The static library's own dependencies, by name: whoever links it has their packages installed.
set(static_names icuuc icui18n icudata stemmer uchardet gumbo zip cmark-gfm-extensions cmark-gfm
    pugixml hunspell-1.7 cld2 expat gmime-3.0 gio-2.0 gobject-2.0 glib-2.0 xxhash sqlite3 curl dl pthread)
set(runtime_names llama ggml ggml-cpu ggml-base)
add_library(s3attn_static STATIC ${objects})
s3attn_public(s3attn_static)
set_target_properties(s3attn_static PROPERTIES LINKER_LANGUAGE CXX)
foreach(name ${runtime_names})
  target_link_libraries(s3attn_static INTERFACE
    "$<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${CMAKE_INSTALL_LIBDIR}/s3attn/lib${name}.so>")
endforeach()
target_link_libraries(s3attn_static INTERFACE ${static_names})
if(S3ATTN_CUDA)
  target_link_libraries(s3attn_static INTERFACE cudart_static rt)
endif()

set(models ${CMAKE_INSTALL_DATADIR}/s3attn/models)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/s3attn)
set(documents ${CMAKE_INSTALL_DATADIR}/doc/s3attn)
if(TARGET s3attn)
  set_target_properties(s3attn PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/s3attn")
  install(TARGETS s3attn COMPONENT program)
endif()
install(TARGETS s3attn_shared s3attn_static EXPORT s3attnTargets
  LIBRARY COMPONENT library NAMELINK_COMPONENT development ARCHIVE COMPONENT development)
install(DIRECTORY ${S3ATTN_LLAMA_LIB_DIR}/ DESTINATION ${CMAKE_INSTALL_LIBDIR}/s3attn
  COMPONENT library FILES_MATCHING PATTERN "libllama.so*" PATTERN "libggml*.so*"
  PATTERN cmake EXCLUDE PATTERN pkgconfig EXCLUDE)
install(DIRECTORY include/s3attn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY models/ DESTINATION ${models} COMPONENT library)
install(FILES LICENSE THIRD_PARTY.md README.md DESTINATION ${documents} COMPONENT library)

install(EXPORT s3attnTargets NAMESPACE s3attn:: DESTINATION ${package} COMPONENT development)
set(S3ATTN_MODELS_DIR ${models})
configure_package_config_file(cmake/s3attnConfig.cmake.in s3attnConfig.cmake
  INSTALL_DESTINATION ${package} PATH_VARS S3ATTN_MODELS_DIR)
write_basic_package_version_file(s3attnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH S3ATTN_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" S3ATTN_PC_UP "${S3ATTN_PC_UP}")
list(TRANSFORM runtime_names PREPEND -l OUTPUT_VARIABLE runtime_flags)
list(TRANSFORM static_names PREPEND -l OUTPUT_VARIABLE S3ATTN_STATIC_FLAGS)
list(JOIN runtime_flags " " runtime_flags)
list(JOIN S3ATTN_STATIC_FLAGS " " S3ATTN_STATIC_FLAGS)
string(PREPEND S3ATTN_STATIC_FLAGS "${runtime_flags} ")
configure_file(cmake/s3attn.pc.in s3attn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/s3attnConfig.cmake ${PROJECT_BINARY_DIR}/s3attnConfigVersion.cmake
  DESTINATION ${package} COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/s3attn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT development)

# `make deb`: one package; its dependencies are those of what it holds.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "s3attn's authors <s3attn@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Search and answers in documents longer than a model's window")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION text)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Programs and files that are no libraries: pdftotext, the English dictionary.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "poppler-utils, qpdf, hunspell-en-us")
list(APPEND CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${S3ATTN_LLAMA_LIB_DIR})
include(CPack)

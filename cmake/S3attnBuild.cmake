# How sources become objects in little time; included by the top CMakeLists.txt.

# s3attn_build_together(TARGET COUNT): compiles the target's sources COUNT at a time, each group as
# one translation unit. For folders whose headers cost far more than their code (JSON, CLI11): what
# those instantiate is compiled once a group instead of once a file. Files of such a folder share
# their anonymous namespaces: a name is defined once in the folder. -DS3ATTN_UNITY=OFF: file by file.
# CMake's own UNITY_BUILD writes absolute paths into its sources, which no compiler cache shares
# between checkouts.
function(s3attn_build_together target count)
  if(NOT S3ATTN_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  set(kept)
  set(text)
  set(number 0)
  set(in_group 0)
  foreach(source ${sources} END)
    if(NOT source STREQUAL END)
      get_source_file_property(options ${source} COMPILE_OPTIONS)
      if(IS_ABSOLUTE ${source} OR options OR NOT source MATCHES "\\.cpp$")
        list(APPEND kept ${source})
        continue()
      endif()
      file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${source})
      string(APPEND text "#include \"${path}\"\n")
      math(EXPR in_group "${in_group} + 1")
    endif()
    if(text AND (source STREQUAL END OR in_group EQUAL count))
      set(unit ${CMAKE_CURRENT_BINARY_DIR}/${target}_${number}.cpp)
      file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)
      list(APPEND kept ${unit})
      math(EXPR number "${number} + 1")
      set(in_group 0)
      set(text)
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES SOURCES "${kept}")
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()

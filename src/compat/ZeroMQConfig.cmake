# libzmq's package, over Monocoque: the target libzmq.

get_filename_component(PACKAGE_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(ZeroMQ_INCLUDE_DIR "${PACKAGE_PREFIX}/include")
set(ZeroMQ_LIBRARY "${PACKAGE_PREFIX}/lib/libzmq.so")
if(NOT TARGET libzmq)
    add_library(libzmq SHARED IMPORTED)
    set_target_properties(libzmq PROPERTIES
        IMPORTED_LOCATION "${ZeroMQ_LIBRARY}"
        IMPORTED_SONAME libzmq.so.5
        INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR}")
endif()
set(ZeroMQ_FOUND TRUE)

# Writes to TO the list sluice_testing_needs: linker arguments that name the libraries which LIBRARY (libsluice) needs, by their sonames.
execute_process(COMMAND ${READELF} -d ${LIBRARY} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "NEEDED[^\n]*\\[(libprotobuf-lite|libabsl_|libxxhash)[^]]*\\]" needed "${dynamic}")
list(TRANSFORM needed REPLACE ".*\\[(.*)\\]" "-l:\\1")
list(JOIN needed " " needed)
file(WRITE ${TO} "set(sluice_testing_needs ${needed})\n")

//! Images to enclave image files (EIF): pull, unpack, build, measure, describe, sign, verify, extract.

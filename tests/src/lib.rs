//! End to end, across programs.

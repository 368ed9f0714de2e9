//! The library loaded into programs: libc's socket calls to the stack process.

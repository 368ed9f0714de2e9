//! Control messages and socket names, shared by the preload library and the stack process.

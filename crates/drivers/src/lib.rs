//! Links over real devices: TAP, and the in-process wire.

//! One TCP connection as a pure state machine.

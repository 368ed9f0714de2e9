//! What portolan run is: engines, the stack process, the gateway, shaping and the built-in web server.

pub mod control;
pub mod os;

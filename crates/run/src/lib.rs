//! What `portolan run` is.
//!
//! Three processes take part. The *supervisor* ([`supervisor`]) is the program that the user started: it starts the
//! other two, forwards signals and passes the exit status on. The *stack process* ([`stack_process`]) holds the
//! command's host, that is its TCP/IP stack, and with the egress link a second host on a thread of its own, the
//! [`gateway`], which carries every flow over ordinary sockets of the machine. The *command* is somebody else's
//! program with our library in it; its control calls arrive at [`control`].
//!
//! Around them: [`config`] is what the user asked for, [`plan`] the addresses that follow from it, [`sysctl`] the knobs
//! of the command's host, [`dns`] and [`lookup`] answer names, [`fence`] says what may be reached and [`owners`] by
//! whom, [`publish`] offers the command's ports on the machine, [`share_loopback`] the machine's to the command, [`up`]
//! starts hosts that outlive one command, [`wire`] is where hosts on one Ethernet find each other, [`web`] is the
//! built-in server, [`summary`] the table at the end, [`doctor`] says what works on this machine, [`library`] finds the
//! preload library, [`netns`] puts the command into a namespace with the kernel's own TCP, whose sockets
//! [`kernel_sockets`] sees. Hosts that run are seen from outside through [`admin`]: by [`ls`], [`ss`], [`dump`] and [`shape`].
//! What a recording has beside frames is from [`attribution`] and [`key_log`]. Start reading in [`supervisor::run`],
//! then [`stack_process::main`].
//!
//! `unsafe` is allowed in `os/` and nowhere else.

pub mod admin;
pub mod attribution;
pub mod channel;
pub mod config;
pub mod control;
pub mod dns;
pub mod doctor;
pub mod dump;
pub mod engine;
pub mod fence;
pub mod gateway;
pub mod kernel_sockets;
pub mod key_log;
pub mod library;
pub mod lookup;
pub mod ls;
pub mod netns;
pub mod os;
pub mod owners;
pub mod plan;
pub mod publish;
mod services;
pub mod shape;
pub mod share_loopback;
pub mod ss;
pub mod stack_process;
pub mod summary;
pub mod supervisor;
pub mod sysctl;
pub mod up;
pub mod web;
pub mod wire;
